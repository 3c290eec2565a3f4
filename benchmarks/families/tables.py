"""What the documentation shows of the record: a row for each family, and a sentence for each that is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from benchmarks.harness.results_files import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"
# What no engine on a CPU takes is no column.
_COLUMNS = [("torch", "f32"), ("torch", "bf16"), ("openvino", "f32"), ("openvino", "bf16"), ("openvino", "int8")]
_NAMES = {"torch": "torch", "openvino": "OpenVINO"}
_NO = "–"
# Well-known models of a family; what was tried is small and random.
_EXAMPLES = {
    "BERT": "ms-marco-MiniLM",
    "XLM-R": "bge-reranker-base, -large, -v2-m3",
    "ModernBERT": "gte-reranker-modernbert",
    "DeBERTa-v2": "mxbai-rerank-v1",
    "ELECTRA": "ms-marco-electra",
    "Qwen3, by prompt format": "Qwen3-Reranker",
    "Qwen2, by prompt format": "mxbai-rerank-v2",
    "Gemma, by prompt format": "bge-reranker-v2-gemma",
}


def tables(cells: Sequence[dict[str, Any]]) -> str:
    """In Markdown: what is served and how exactly, then what is not and why."""
    families = list(dict.fromkeys(cell["family"] for cell in cells))
    served = [family for family in families if any(cell["reason"] is None for cell in _of(cells, family))]
    header = ["family", *(f"{_NAMES[engine]} {precision}" for engine, precision in _COLUMNS)]
    rows = [[_title(family), *(_figure(_of(cells, family), *column) for column in _COLUMNS)] for family in served]
    refused = [[family, _reason(_of(cells, family), family)] for family in families if family not in served]
    return "\n\n".join([markdown_table(header, rows), _left_table(["not served", "since it"], refused)])


def with_tables(page: str, cells: Sequence[dict[str, Any]]) -> str:
    """The page with the tables between its two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables(cells)}\n{END}{after}"


def renew(page: Path, cells: Sequence[dict[str, Any]]) -> None:
    """Write the tables anew."""
    page.write_text(with_tables(page.read_text(encoding="utf-8"), cells), encoding="utf-8")


def _of(cells: Iterable[dict[str, Any]], family: str) -> list[dict[str, Any]]:
    return [cell for cell in cells if cell["family"] == family]


def _title(family: str) -> str:
    return f"{family}: {_EXAMPLES[family]}" if family in _EXAMPLES else family


def _figure(cells: Iterable[dict[str, Any]], engine: str, precision: str) -> str:
    """The worse one of cut and split passages: a difference in f32, a correlation in less."""
    found = [cell for cell in cells if (cell["engine"], cell["precision"]) == (engine, precision)]
    if not found or any(cell["reason"] is not None for cell in found):
        return _NO
    if precision == "f32":
        return re.sub("e-0", "e-", f"{max(cell['max_difference'] for cell in found):.0e}")
    return f"{min(cell['correlation'] for cell in found):.4f}".lstrip("0")


def _reason(cells: Sequence[dict[str, Any]], family: str) -> str:
    """Of both engines, where they say different things."""
    reasons = dict.fromkeys(_predicate(cell["reason"], family) for cell in cells)
    return "; ".join(reasons)


def _predicate(reason: str, family: str) -> str:
    return reason.removeprefix(f"the model {family} ").removeprefix(f"model {family}: it ")


def _left_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
