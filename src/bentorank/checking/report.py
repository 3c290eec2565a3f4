"""The outcome of a check: a table for people, JSON for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from bentorank import __version__
from bentorank.checking.memory import GIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.checking.check import Comparison, Report
    from bentorank.checking.description import Description
    from bentorank.checking.steps import Loaded, Memory, Speed

MIB = 2**20
# What a retriever sends, for a figure that can be imagined.
USUAL_DOCUMENTS = 100
USUAL_TOKENS = 128


def as_json(report: Report) -> dict[str, Any]:
    """Everything, with null for what was not found out."""
    return {"bentorank": __version__, "served": report.served, **asdict(report)}


def as_table(report: Report) -> Table:
    """A row for each thing that was found out, and the verdict."""
    table = Table(title=f"{report.model}: {'served' if report.served else 'not served'}", show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in _rows(report):
        table.add_row(name, Text(value))
    return table


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    if report.description is not None:
        yield from _description_rows(report.description)
    if report.loaded is not None:
        yield from _loaded_rows(report.loaded)
    if report.memory is not None:
        yield "memory", _memory(report.memory, report.workers)
    if report.speed is not None:
        yield "speed", _speed(report.speed)
    if report.comparison is not None:
        yield "agreement", _comparison(report.comparison)
    if report.not_compared is not None:
        yield "agreement", f"not compared: {report.not_compared}"
    yield "verdict", "served" if report.served else f"not served: {report.reason}"


def _description_rows(described: Description) -> Iterator[tuple[str, str]]:
    yield "model", f"{described.model}: {described.architecture} of the family {described.family}"
    yield "weights", f"{described.weights:,} parameters, {described.weights_bytes / MIB:,.1f} MiB on disk"
    yield "window", f"{described.window_tokens:,} tokens for a query with a document"
    yield "head", described.head
    yield "activation", described.activation
    yield "template", described.template


def _loaded_rows(loaded: Loaded) -> Iterator[tuple[str, str]]:
    if loaded.reads:
        yield "reads", loaded.reads
    yield "instruction", "one for each request" if loaded.takes_instruction else "none"
    passes = f", {loaded.streams} passes at a time" if loaded.streams > 1 else ""
    yield "precision", loaded.precision
    yield "engine", f"{loaded.engine} on {loaded.device}{passes}, loaded in {loaded.in_s:.1f} s"
    for warning in loaded.warnings:
        yield "warning", warning


def _memory(memory: Memory, workers: int) -> str:
    peak_bytes = memory.peak_bytes * workers
    together = f" for {workers} workers together" if workers > 1 else ""
    return (
        f"{memory.model_bytes / MIB:,.0f} MiB loaded, {memory.batches_bytes / MIB:,.0f} more for full batches (pairs of"
        f" up to {memory.longest_tokens:,} tokens); at most {peak_bytes / MIB:,.0f} MiB in all{together}, of"
        f" {memory.usable_bytes / GIB:.1f} GiB here ({peak_bytes / memory.usable_bytes:.0%})"
    )


def _speed(speed: Speed) -> str:
    usual_s = USUAL_DOCUMENTS * USUAL_TOKENS / speed.tokens_per_s
    return (
        f"{speed.tokens_per_s:,.0f} tokens/s in a burst of {speed.seconds:.1f} s: {USUAL_DOCUMENTS} documents of"
        f" {USUAL_TOKENS} tokens in about {usual_s:.2g} s"
    )


def _comparison(comparison: Comparison) -> str:
    agreement = comparison.agreement
    return (
        f"with {comparison.library} in f32, over {agreement.pairs} pairs: logits differ by"
        f" {agreement.max_difference:.2g} at most and correlate by {agreement.correlation:.6f};"
        f" {comparison.lists_in_order} of {comparison.lists} lists in the same order"
    )
