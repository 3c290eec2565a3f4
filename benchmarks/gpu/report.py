"""What a GPU reached, to read."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.harness.results_files import machine_sentence, markdown_table

COMPARISON = ["", "pairs/s"]
SWEEP = ["batches", "tokens", "padding", "tokens/s", "TFLOP/s", "of the matrix product"]


def as_markdown(result: dict[str, Any]) -> str:
    """The comparison, the sweep, and what they were measured on."""
    machine, comparison = result["machine"], result["comparison"]
    return "\n\n".join(
        (
            "# GPU",
            _comparison_title(comparison),
            markdown_table(COMPARISON, _comparison_rows(comparison)),
            _sweep_title(result),
            markdown_table(SWEEP, [_sweep_row(step) for step in result["sweep"]]),
            machine_sentence(machine),
            ", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
        )
    )


def _comparison_title(comparison: dict[str, Any]) -> str:
    engine = comparison["engine"]
    way = "padding-free" if engine["padding_free"] else "padded"
    return (
        f"{engine['model']}, {engine['precision']} on {engine['device']}, {way}: {comparison['pairs']} pairs from text"
        f" to logits, which differ by {comparison['largest_difference']:.2g} at most"
    )


def _comparison_rows(comparison: dict[str, Any]) -> list[list[str]]:
    return [
        [name, f"{median(speeds):.1f} ({min(speeds):.1f}–{max(speeds):.1f})"]
        for name, speeds in comparison["pairs_per_s"].items()
    ]


def _sweep_title(result: dict[str, Any]) -> str:
    shape = result["setup"]["shape"]
    return (
        f"Random weights, {shape['num_hidden_layers']} layers of width {shape['hidden_size']}, the same pairs' lengths;"
        f" the product of two bf16 matrices of width {result['setup']['matrix']} reaches"
        f" {result['bf16_matmul_flops_per_s'] / 1e12:.3g} TFLOP/s"
    )


def _sweep_row(step: dict[str, Any]) -> list[str]:
    return [
        "padding-free" if step["padding_free"] else "padded",
        str(step["batch_tokens"]),
        f"{step['padding']:.1%}",
        f"{step['tokens_per_s']:.0f}",
        f"{step['flops_per_s'] / 1e12:.3g}",
        f"{step['share_of_peak']:.1%}",
    ]
