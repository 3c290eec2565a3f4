"""What the rounds of a mixed load come to."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.results_files import machine_sentence, markdown_table, range_text, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = [
    *("", "pairs/s", "bentorank has", "small p50 ms", "small p95 ms", "bentorank is faster", "small p99 ms"),
    *("large p50 ms", "failed small", "failed large"),
]

SIZES = ("small", "large")


def summarise(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and range over the rounds, by contender.

    `throughput_ratio` is bentorank's pairs a second over the contender's, `small_p95_ratio` the contender's p95 of
    small requests over bentorank's, both within a round: above 1 bentorank is better.
    """
    return {name: _summarise_contender(name, rounds) for name in rounds[0]}


def _summarise_contender(name: str, rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    results = [measured[name] for measured in rounds]
    summary: dict[str, Any] = {
        "pairs_per_s": spread([result["pairs_per_s"] for result in results]),
        "small_ms": {share: spread([_small(result, share) for result in results]) for share in ("p50", "p95", "p99")},
        "large_p50_ms": median(result["large"]["latency_ms"].get("p50", float("nan")) for result in results),
        "failures": {size: sum(sum(result[size]["failures"].values()) for result in results) for size in SIZES},
    }
    if name != BENTORANK.name and BENTORANK.name in rounds[0]:
        paired = [(measured[BENTORANK.name], measured[name]) for measured in rounds]
        summary["throughput_ratio"] = spread([ours["pairs_per_s"] / theirs["pairs_per_s"] for ours, theirs in paired])
        summary["small_p95_ratio"] = spread([_small(theirs, "p95") / _small(ours, "p95") for ours, theirs in paired])
    return summary


def _small(result: dict[str, Any], share: str) -> float:
    return float(result["small"]["latency_ms"].get(share, float("nan")))


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each contender."""
    setup = result["setup"]
    small = f"{setup['rate_per_s']:g} requests/s of {setup['small_documents']} documents with Poisson arrivals"
    large = f"{setup['large_clients']} clients × {setup['large_documents']} documents in a closed loop"
    rounds = f"{setup['rounds']} rounds of {setup['requests']} small requests"
    title = (
        f"{setup['model']}, {setup['texts']}: {small}, beside {large}."
        f" {rounds}: median (lowest–highest), ratios within a round."
    )
    rows = [_row(name, summary) for name, summary in result["summary"].items()]
    return "\n\n".join(("# Mixed load", title, markdown_table(HEADER, rows), machine_sentence(result["machine"])))


def _row(name: str, summary: dict[str, Any]) -> list[str]:
    small_ms = summary["small_ms"]
    return [
        name,
        range_text(summary["pairs_per_s"], ".1f"),
        _times(summary.get("throughput_ratio")),
        range_text(small_ms["p50"], ".0f"),
        range_text(small_ms["p95"], ".0f"),
        _times(summary.get("small_p95_ratio")),
        range_text(small_ms["p99"], ".0f"),
        f"{summary['large_p50_ms']:.0f}",
        *(str(summary["failures"][size]) for size in SIZES),
    ]


def _times(ratio: dict[str, float] | None) -> str:
    return f"× {range_text(ratio, '.2f')}" if ratio else ""
