"""Numbers as Grafana writes them in its units."""

from __future__ import annotations

from math import isfinite

SUFFIXES = {"reqps": " req/s", "none": "", "short": ""}
KIB = 1024


def with_unit(value: float, unit: str, decimals: int | None = None) -> str:
    """Three digits or so, with the unit."""
    if not isfinite(value):
        return "–"
    if unit == "percentunit":
        return f"{value * 100:.{decimals if decimals is not None else 1}f} %".replace(".0 %", " %")
    if unit == "s":
        return _seconds(value)
    if unit == "bytes":
        return _scaled(value, KIB, ("B", "KiB", "MiB", "GiB"))
    suffix = SUFFIXES.get(unit, unit.removeprefix("suffix:"))
    return _scaled(value, 1000, ("", "k", "M")).strip() + suffix


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    if abs(value) < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s"


def _scaled(value: float, base: int, names: tuple[str, ...]) -> str:
    for name in names[:-1]:
        if abs(value) < base:
            return f"{value:.3g} {name}"
        value /= base
    return f"{value:.3g} {names[-1]}"
