"""How servers behave when more is asked than they can do, to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.overload_measures import RECOVERED_BELOW
from benchmarks.results_files import machine_sentence, markdown_table

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = tuple[str, str, Callable[[dict[str, Any]], str]]

NONE = "–"


def as_markdown(result: dict[str, Any]) -> str:
    """A table for the overload, one for fairness, one for the cost of a pair; a column for each contender."""
    setup, runs = result["setup"], result["runs"]
    sections = [
        "# Overload",
        _overload_title(setup),
        _table(_overload_rows(), runs),
        _fairness_title(setup),
        _table(_fairness_rows(), runs),
        "One request at a time, milliseconds a pair:",
        markdown_table(["documents", *runs], _cost_rows(runs)),
        machine_sentence(result["machine"]),
        ", ".join(f"{name} {number}" for name, number in result["machine"]["versions"].items()),
    ]
    return "\n\n".join(sections)


def _overload_title(setup: dict[str, Any]) -> str:
    return (
        f"{setup['model']}, {setup['documents']} documents a request. Capacity: closed loop, {setup['clients']}"
        f" clients. Overload: {setup['overload']:g} times the capacity for {setup['overload_s']:g} s, Poisson arrivals,"
        f" with {setup['calm']:.0%} of the capacity for {setup['calm_s']:g} s before it and after it."
        f" Every request has a deadline of {setup['deadline_s']:g} s; latency counts from when it was due."
    )


def _fairness_title(setup: dict[str, Any]) -> str:
    return (
        f"Requests of {setup['small_documents']} documents, {setup['small']:.0%} of the capacity, Poisson arrivals for"
        f" {setup['small_s']:g} s: alone, and beside {setup['hog_clients']} clients that always have a request of"
        f" {setup['hog_documents']} documents in flight:"
    )


def _table(rows: list[Row], runs: dict[str, dict[str, Any]]) -> str:
    filled = [[name, wanted, *(cell(run) for run in runs.values())] for name, wanted, cell in rows]
    return markdown_table(["", "wanted", *runs], filled)


def _overload_rows() -> list[Row]:
    return [
        ("capacity, pairs/s", "", lambda run: f"{run['capacity']['pairs_per_s']:.1f}"),
        ("offered, pairs/s", "", lambda run: f"{run['surge']['offered_pairs_per_s']:.1f}"),
        ("goodput, pairs/s", "", lambda run: f"{run['surge']['goodput_pairs_per_s']:.1f}"),
        ("goodput ÷ capacity", "≥ 0.9", lambda run: f"{run['surge']['goodput_of_capacity']:.2f}"),
        ("answered in time, p50 / p99 ms", "", lambda run: _latency(run["surge"]["answered_ms"])),
        ("refused at once", "", lambda run: _refused(run["surge"])),
        ("refusals, p50 / p99 ms", "p99 ≤ 20", lambda run: _latency(run["surge"]["refused_ms"])),
        ("timed out", "", lambda run: f"{run['surge']['endings']['timed out']:.1%}"),
        ("answered late, failed", "", lambda run: _share(run["surge"], "answered late", "failed")),
        ("calm p50 before, after, ms", "", lambda run: _before_after(run["surge"])),
        (f"p50 within {RECOVERED_BELOW:g} times, after s", "", lambda run: f"{run['surge']['recovered_s']:.1f}"),
        ("load generator, cores", "", lambda run: f"{run['surge']['generator_cores']:.2f}"),
        ("load generator late, ms at most", "", lambda run: f"{run['surge']['generator_late_ms']:.1f}"),
    ]


def _fairness_rows() -> list[Row]:
    return [
        ("requests alone, beside", "", lambda run: _both(run, _answered)),
        *(_fairness_row(share) for share in ("p50", "p95")),
        ("p99 ms alone, beside", "", lambda run: _both(run, lambda summary: _percentile(summary, "p99"))),
        ("p99 beside ÷ alone", "≤ 3", lambda run: _slower(run, "p99")),
        ("failed alone, beside", "", lambda run: _both(run, lambda summary: str(sum(summary["failures"].values())))),
        ("large requests, pairs/s", "", lambda run: f"{run['fairness']['hog']['pairs_per_s']:.1f}"),
    ]


def _fairness_row(share: str) -> Row:
    def cell(run: dict[str, Any]) -> str:
        return f"{_both(run, lambda summary: _percentile(summary, share))} (× {_slower(run, share)})"

    return f"{share} ms alone, beside", "", cell


def _cost_rows(runs: dict[str, dict[str, Any]]) -> list[list[str]]:
    by_size = zip(*(run["costs"] for run in runs.values()), strict=True)
    return [[str(costs[0]["documents"]), *(_cost(cost) for cost in costs)] for costs in by_size]


def _cost(cost: dict[str, Any]) -> str:
    return NONE if cost["ms_per_pair"] is None else f"{cost['ms_per_pair']:.2f}"


def _latency(latency_ms: dict[str, float]) -> str:
    return f"{latency_ms['p50']:.1f} / {latency_ms['p99']:.1f}" if latency_ms else NONE


def _refused(surge: dict[str, Any]) -> str:
    by_status = ", ".join(f"{status}: {share:.1%}" for status, share in surge["refused_with"].items())
    return f"{surge['endings']['refused']:.1%}" + (f" ({by_status})" if by_status else "")


def _share(surge: dict[str, Any], *kinds: str) -> str:
    return ", ".join(f"{surge['endings'][kind]:.1%}" for kind in kinds)


def _before_after(surge: dict[str, Any]) -> str:
    return f"{surge['p50_before_ms']:.0f}, {surge['p50_after_ms']:.0f}"


def _both(run: dict[str, Any], cell: Callable[[dict[str, Any]], str]) -> str:
    return ", ".join(cell(run["fairness"][name]) for name in ("alone", "beside"))


def _answered(summary: dict[str, Any]) -> str:
    return str(summary["requests"] - sum(summary["failures"].values()))


def _percentile(summary: dict[str, Any], share: str) -> str:
    return f"{summary['latency_ms'][share]:.0f}" if summary["latency_ms"] else NONE


def _slower(run: dict[str, Any], share: str) -> str:
    alone, beside = (run["fairness"][name]["latency_ms"].get(share) for name in ("alone", "beside"))
    return f"{beside / alone:.2f}" if alone and beside else NONE
