"""The figures as tables."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.results_files import machine_sentence, markdown_table, range_text


def as_markdown(result: dict[str, Any]) -> str:
    """Hits, answers, levels."""
    parts = ["# The score cache"]
    if hits := result["hits"]:
        parts += [
            (
                f"The starter under {result['clients']} clients × {result['documents']} documents: pairs a second over"
                " those without a cache, by rounds in turn, median (range)."
            ),
            markdown_table(
                ["remembered", "× off"],
                [[share, range_text(values, ".2f")] for share, values in hits["ratios"].items()],
            ),
            f"Memory afterwards: {hits['rss_mib']['on']:.0f} MiB, off {hits['rss_mib']['off']:.0f} MiB.",
        ]
    levels = result["levels"]
    parts += [
        "A request of 100 remembered documents, one client, over HTTP; the load generator shares the machine.",
        markdown_table(
            ["level", "p50 ms", "p99 ms"],
            [[level, f"{times['p50']:.2f}", f"{times['p99']:.2f}"] for level, times in result["answers"].items()],
        ),
        (
            "The levels alone, of 100 documents of 600 characters; their digests take"
            f" {levels['key_us']:.1f} µs each beside."
        ),
        markdown_table(
            ["level", "read, none there, µs", "write, µs", "read, all there, µs", "bytes an entry"],
            [
                [level, *(f"{levels[level][name]:.0f}" for name in ("miss_us", "write_us", "hit_us", "bytes_an_entry"))]
                for level in ("memory", "redis")
            ],
        ),
        machine_sentence(result["machine"]),
    ]
    return "\n\n".join(parts)
