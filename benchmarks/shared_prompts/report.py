"""The table of the benchmark."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.harness.results_files import machine_sentence, markdown_table, range_text, spread


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each shape and kind of texts."""
    ways = list(result["measured"][0]["seconds_a_request"])
    baseline, served = ways[0], ways[-1]
    header = [
        "model, documents of a request",
        "tokens a pair, of them shared",
        *(f"{way}, ms" for way in ways),
        "times",
        "logits differ by",
    ]
    rows = [_row(measured, ways, baseline, served) for measured in result["measured"]]
    explanation = (
        "CPU milliseconds a document on one thread, the median of requests, each with another query; how many times"
        f" those of {served!r} go into those of {baseline!r} is the median of the requests' own, with their range."
        " Qwen3 of random weights, asked as Qwen3-Reranker is; how far logits of the three ways differ at most."
    )
    return "\n\n".join(
        (
            "# What the prompts of a query share",
            explanation,
            markdown_table(header, rows),
            machine_sentence(result["machine"]),
        )
    )


def _row(measured: dict[str, Any], ways: list[str], baseline: str, served: str) -> list[str]:
    seconds, documents = measured["seconds_a_request"], measured["documents"]
    ratios = [before / after for before, after in zip(seconds[baseline], seconds[served], strict=True)]
    millions = measured["layer_parameters"] / 1e6
    return [
        f"{measured['model']} ({millions:.0f} M in layers), {documents} {measured['texts']}",
        f"{measured['tokens_a_pair']:.0f}, {measured['tokens_that_are_shared']:.0f}",
        *(f"{median(seconds[way]) / documents * 1e3:.1f}" for way in ways),
        range_text(spread(ratios), ".2f"),
        f"{measured['largest_difference']:.1g}",
    ]
