"""The dashboard's report: a panel without numbers is said to have none, and every kind of panel can be drawn."""

from math import nan
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.dashboard.panels import DASHBOARD, Series, Shown
from benchmarks.dashboard.picture import draw_row
from benchmarks.dashboard.report import as_markdown, as_result
from benchmarks.dashboard.units import with_unit

MACHINE = {"cpu": "a", "cores": 1, "flags": [], "memory_gib": 1, "gpus": [], "system": "b", "python": "3"}


def shown(panel: dict[str, Any], *answers: list[float]) -> Shown:
    """A panel whose queries returned one series each, of these values a second apart."""
    series = [[Series("0.5", {"instance": "a"}, [*enumerate(values)])] for values in answers]
    return Shown("Row", panel, series)


def panels() -> list[dict[str, Any]]:
    return [panel for panel in orjson.loads(DASHBOARD.read_bytes())["panels"] if panel["type"] != "row"]


def test_a_ratio_of_nothing_is_no_data() -> None:
    """NaN is what Prometheus says of 0 / 0: a panel that has nothing else is empty, and so is one query of two."""
    panel = panels()[0]
    each = as_result([shown(panel, [1, nan]), shown(panel, [0, 0]), shown(panel, [nan]), shown(panel, [1], [nan])])
    assert [line["has_data"] for line in each] == [True, True, False, False]
    assert [line["has_moved"] for line in each[:2]] == [True, False]
    run = {"panels": each, "machine": MACHINE, "seconds": 60, "requests_per_s": 1, "outcomes": {"200": 3}}
    assert "**2 of 4 panels have data**" in as_markdown(run)


def test_every_kind_of_panel_is_drawn(tmp_path: Path) -> None:
    """With numbers, with gaps, and with nothing."""
    one_of_each = {panel["type"]: panel for panel in panels()}
    assert one_of_each.keys() == {"stat", "timeseries", "heatmap", "table"}
    for number, values in enumerate([[1.0, nan, 2.0], []]):
        path = tmp_path / f"{number}.png"
        draw_row("Row", [shown(panel, values) for panel in one_of_each.values()], path)
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.98536, "percentunit", 3, "98.536 %"),
        (1, "percentunit", None, "100 %"),
        (0.0421, "s", None, "42.1 ms"),
        (2.5, "s", None, "2.5 s"),
        (3 * 2**30, "bytes", None, "3 GiB"),
        (4230, "suffix: tokens/s", None, "4.23 k tokens/s"),
        (8.28, "reqps", None, "8.28 req/s"),
        (nan, "s", None, "–"),
    ],
)
def test_numbers_have_their_units(value: float, unit: str, decimals: int | None, text: str) -> None:
    """As a person reads them."""
    assert with_unit(value, unit, decimals) == text
