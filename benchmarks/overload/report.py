"""How servers behave when more is asked than they can do, to read."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any

from benchmarks.harness.results_files import machine_sentence, markdown_table
from benchmarks.overload.measures import RECOVERED_BELOW

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = tuple[str, str, Callable[[dict[str, Any]], str]]

NONE = "–"


def as_markdown(result: dict[str, Any]) -> str:
    """A table for each part that was measured, with a column for each contender."""
    setup, runs = result["setup"], result["runs"]
    measured = next(iter(runs.values())).keys()
    sections = ["# Overload", _capacity_title(setup), _table(_capacity_rows(), runs)]
    if "busy" in measured:
        sections += [_busy_title(setup), _table(_busy_rows(), runs)]
    if "surge" in measured:
        sections += [_surge_title(setup), _table(_surge_rows(), runs)]
    if "fairness" in measured:
        sections += [_fairness_title(setup), _table(_fairness_rows(), runs)]
    if "costs" in measured:
        sections += [
            "One request at a time, milliseconds a pair:",
            markdown_table(["documents", *runs], _cost_rows(runs)),
        ]
    versions = result["machine"]["versions"].items()
    sections += [machine_sentence(result["machine"]), ", ".join(f"{name} {number}" for name, number in versions)]
    return "\n\n".join(sections)


def _capacity_title(setup: dict[str, Any]) -> str:
    return (
        f"{setup['model']}. Capacity: closed loop, {setup['clients']} clients × {setup['documents']} documents. Loads"
        " are shares and multiples of each server's own capacity, with Poisson arrivals; latency counts from when a"
        " request was due."
    )


def _busy_title(setup: dict[str, Any]) -> str:
    return (
        f"{setup['busy']:.0%} of the capacity for {setup['busy_s']:g} s, requests of {setup['documents']} documents"
        f" with a deadline of {setup['deadline_s']:g} s:"
    )


def _surge_title(setup: dict[str, Any]) -> str:
    return (
        f"{setup['overload']:g} times the capacity for {setup['overload_s']:g} s, with {setup['calm']:.0%} of it for"
        f" {setup['calm_s']:g} s before and after. Every request has {setup['documents']} documents and a deadline of"
        f" {setup['deadline_s']:g} s:"
    )


def _fairness_title(setup: dict[str, Any]) -> str:
    return (
        f"Requests of {setup['small_documents']} documents, {setup['small']:.0%} of the capacity, for"
        f" {setup['small_s']:g} s: alone, and beside {setup['hog_clients']} clients that always have a request of"
        f" {setup['hog_documents']} documents in flight:"
    )


def _table(rows: list[Row], runs: dict[str, dict[str, Any]]) -> str:
    filled = [[name, wanted, *(cell(run) for run in runs.values())] for name, wanted, cell in rows]
    return markdown_table(["", "wanted", *runs], filled)


def _capacity_rows() -> list[Row]:
    return [
        ("capacity, pairs/s", "", lambda run: f"{run['capacity']['pairs_per_s']:.1f}"),
        ("p50 ms", "", lambda run: _percentile(run["capacity"], "p50")),
    ]


def _busy_rows() -> list[Row]:
    return [
        ("answered in time, p50 / p99 ms", "", lambda run: _latency(run["busy"]["answered_ms"])),
        ("refused, timed out", "", lambda run: _share(run["busy"], "refused", "timed out")),
        ("answered late, failed", "", lambda run: _share(run["busy"], "answered late", "failed")),
    ]


def _surge_rows() -> list[Row]:
    return [
        ("offered, pairs/s", "", lambda run: f"{run['surge']['offered_pairs_per_s']:.1f}"),
        ("goodput, pairs/s", "", lambda run: f"{run['surge']['goodput_pairs_per_s']:.1f}"),
        ("goodput ÷ capacity", "≥ 0.9", lambda run: f"{run['surge']['goodput_of_capacity']:.2f}"),
        ("answered in time, p50 / p99 ms", "", lambda run: _latency(run["surge"]["answered_ms"])),
        ("refused at once", "", lambda run: _refused(run["surge"])),
        ("refusals, p50 / p99 ms", "p99 ≤ 20", lambda run: _latency(run["surge"]["refused_ms"])),
        ("timed out", "", lambda run: f"{run['surge']['endings']['timed out']:.1%}"),
        ("answered late, failed", "", lambda run: _share(run["surge"], "answered late", "failed")),
        ("calm p50 before, after, ms", "", lambda run: _before_after(run["surge"])),
        (f"p50 within {RECOVERED_BELOW:g} times, after s", "", lambda run: _recovered(run["surge"])),
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
        ("large requests answered, failed", "", lambda run: _large(run["fairness"]["hog"])),
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


def _recovered(surge: dict[str, Any]) -> str:
    return "never" if isinf(surge["recovered_s"]) else f"{surge['recovered_s']:.1f}"


def _large(hog: dict[str, Any]) -> str:
    return f"{_answered(hog)}, {sum(hog['failures'].values())}"


def _both(run: dict[str, Any], cell: Callable[[dict[str, Any]], str]) -> str:
    return ", ".join(cell(run["fairness"][name]) for name in ("alone", "beside"))


def _answered(summary: dict[str, Any]) -> str:
    return str(summary["requests"] - sum(summary["failures"].values()))


def _percentile(summary: dict[str, Any], share: str) -> str:
    return f"{summary['latency_ms'][share]:.0f}" if summary["latency_ms"] else NONE


def _slower(run: dict[str, Any], share: str) -> str:
    alone, beside = (run["fairness"][name]["latency_ms"].get(share) for name in ("alone", "beside"))
    return f"{beside / alone:.2f}" if alone and beside else NONE
