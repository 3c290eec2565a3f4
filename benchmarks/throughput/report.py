"""What the rounds of a throughput comparison come to."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.results_files import machine_sentence, markdown_table, range_text, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

LATENCY_SHARES = ("p50", "p95")
SPEED = ["", "pairs/s", "bentorank is", *(f"{share} ms" for share in LATENCY_SHARES)]
COST = ["", "CPU ms/pair", "ready s", "RSS MiB", "failed requests"]


def summarise(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and range over the rounds, by target; `bentorank_ratio` divides within each round, then summarises."""
    return {name: _summarise_target(name, rounds) for name in rounds[0]}


def _summarise_target(name: str, rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    results = [measured[name] for measured in rounds]
    summary: dict[str, Any] = {"pairs_per_s": spread([result["pairs_per_s"] for result in results])}
    if name != BENTORANK.name and BENTORANK.name in rounds[0]:
        ratios = [measured[BENTORANK.name]["pairs_per_s"] / measured[name]["pairs_per_s"] for measured in rounds]
        summary["bentorank_ratio"] = spread(ratios)
    if "latency_ms" in results[0]:
        summary["latency_ms"] = {
            share: median(result["latency_ms"].get(share, float("nan")) for result in results)
            for share in LATENCY_SHARES
        }
    if "server_cpu_s" in results[0]:
        summary["server_cpu_ms_per_pair"] = median(
            1e3 * result["server_cpu_s"] / max(1, result["pairs"]) for result in results
        )
        summary["failures"] = sum(sum(result["failures"].values()) for result in results)
    return summary


def as_tables(result: dict[str, Any]) -> Group:
    """How fast, and at what cost."""
    speed = _table(_title(result), SPEED, _speed_rows(result))
    cost = _table("server processes", COST, _cost_rows(result))
    return Group(speed, cost, machine_sentence(result["machine"]))


def as_markdown(result: dict[str, Any]) -> str:
    """The same for a document, with the versions of what was measured."""
    versions = ", ".join(f"{name} {number}" for name, number in result["machine"]["versions"].items())
    tables = (markdown_table(SPEED, _speed_rows(result)), markdown_table(COST, _cost_rows(result)))
    return "\n\n".join(("# Throughput", _title(result), *tables, machine_sentence(result["machine"]), versions))


def _table(title: str, header: list[str], rows: list[list[str]]) -> Table:
    table = Table(title=title)
    for name in header:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _title(result: dict[str, Any]) -> str:
    setup, engine = result["setup"], result["setup"]["engine"]
    engine_text = f"{engine['model']}, {engine['engine']} {engine['precision']} on {engine['device']}"
    load = f"{setup['clients']} clients × {setup['documents']} documents"
    return f"{engine_text}: {load}, {setup['rounds']} rounds of {setup['requests']} requests, {setup['texts']}"


def _speed_rows(result: dict[str, Any]) -> list[list[str]]:
    return [_speed_row(name, summary) for name, summary in result["summary"].items()]


def _speed_row(name: str, summary: dict[str, Any]) -> list[str]:
    ratio, latency_ms = summary.get("bentorank_ratio"), summary.get("latency_ms")
    return [
        name,
        range_text(summary["pairs_per_s"], ".1f"),
        f"× {range_text(ratio, '.2f')}" if ratio else "",
        *([f"{latency_ms[share]:.0f}" for share in LATENCY_SHARES] if latency_ms else [""] * len(LATENCY_SHARES)),
    ]


def _cost_rows(result: dict[str, Any]) -> list[list[str]]:
    return [
        [
            name,
            f"{result['summary'][name]['server_cpu_ms_per_pair']:.1f}",
            f"{process['ready_s']:.1f}",
            f"{process['memory']['rss_mib']:.0f}",
            str(result["summary"][name]["failures"]),
        ]
        for name, process in result["processes"].items()
    ]
