"""What the rounds of `benchmarks.replicas` say, as ratios within each round."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.harness.results_files import machine_sentence, markdown_table, range_text, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

SECTIONS = {
    "fleet": "A second instance. 16 clients × 20 short documents; the engine waits instead of computing, as if each"
    " instance had a device of its own.",
    "proxy": "What a proxy costs. One client × 8 short documents, an engine that takes no time, one instance.",
    "workers": "Workers of one instance. 16 clients × 50 documents of real text; a pass takes 3 ms, as on a GPU that is"
    " never full, so that Python is the limit. The load takes cores too.",
    "cores": "One machine's cores, undivided or divided. 8 clients × 50 documents of real text, the shipped model.",
}


def compared(rounds: Sequence[dict[str, Any]], *, first: str) -> dict[str, dict[str, Any]]:
    """For each way: its figures, and its throughput over that of `first`, by rounds."""
    return {
        name: {
            "requests_per_s": median(each[name]["requests"] / each[name]["seconds"] for each in rounds),
            "p50_ms": median(each[name]["latency_ms"]["p50"] for each in rounds),
            "p99_ms": median(each[name]["latency_ms"]["p99"] for each in rounds),
            "failed": sum(sum(each[name]["failures"].values()) for each in rounds),
            "of_first": spread([each[name]["pairs_per_s"] / each[first]["pairs_per_s"] for each in rounds]),
        }
        for name in rounds[0]
    }


def as_markdown(result: dict[str, Any]) -> str:
    """A table for each question."""
    head = f"Closed loops, medians of {result['rounds']} rounds in which each way answers the same requests in turn."
    parts = ["# Replicas", head]
    for section, sentence in SECTIONS.items():
        parts += [sentence, _table(result[section])]
    return "\n\n".join((*parts, machine_sentence(result["machine"])))


def _table(ways: dict[str, dict[str, Any]]) -> str:
    rows = [
        [
            name,
            f"{way['requests_per_s']:.1f}",
            f"{way['p50_ms']:.2f}",
            f"{way['p99_ms']:.2f}",
            range_text(way["of_first"], ".2f"),
            str(way["failed"]),
        ]
        for name, way in ways.items()
    ]
    return markdown_table(["", "requests/s", "p50 ms", "p99 ms", "throughput, of the first", "failed"], rows)
