"""Where results go: one JSON file with everything, one Markdown file to read."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parents[1] / "results"


def write_results(folder: Path, name: str, result: dict[str, Any], markdown: str) -> None:
    """`name.json` and `name.md` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    (folder / f"{name}.md").write_text(markdown + "\n", encoding="utf-8")


def machine_sentence(machine: dict[str, Any]) -> str:
    """A machine in one line."""
    parts = [
        f"{machine['cpu']}, {machine['cores']} cores ({' '.join(machine['flags'])})",
        f"{machine['memory_gib']} GiB",
        *machine["gpus"],
        machine["system"],
        f"Python {machine['python']}",
    ]
    return "; ".join(parts)


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """The first column to the left, numbers to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and range of one figure over the rounds."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def range_text(values: dict[str, float], digits: str) -> str:
    """A `spread`, each figure in the format `digits`."""
    return f"{values['median']:{digits}} ({values['min']:{digits}}–{values['max']:{digits}})"
