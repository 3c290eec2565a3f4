"""Lists to rank in bulk, and what came out, for the tests."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from bentorank.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

WORDS = ("owls", "hunt", "mice", "bread", "needs", "flour", "ships", "carry", "freight", "whales", "krill")


def make_rows(count: int) -> list[dict[str, Any]]:
    """Rows with ids, from one to four documents each, all different."""
    return [
        {
            "id": f"row-{number}",
            "query": f"{WORDS[number % 11]} {WORDS[number % 7]}",
            "documents": [f"{WORDS[(number + place) % 11]} {WORDS[place]} {number}" for place in range(1 + number % 4)],
        }
        for number in range(count)
    ]


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    """A line a row; a text is a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def bulk(*arguments: object) -> Result:
    """Run `bentorank bulk` in this process, with the fake engine; the variables that it sets are taken back."""
    before = dict(os.environ)
    try:
        return CliRunner().invoke(app, ["bulk", "--engine", "fake", *map(str, arguments)])
    finally:
        os.environ.clear()
        os.environ.update(before)


def ranked(out: Path) -> list[dict[str, Any]]:
    """All rows of the output, in the order of its parts."""
    parts = sorted(out.glob("part-*"))
    if parts and parts[0].suffix == ".parquet":
        import pyarrow.parquet as pq

        return [row for part in parts for row in pq.read_table(part).to_pylist()]
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def rejected(out: Path) -> list[dict[str, Any]]:
    """The rows that were set aside."""
    return [json.loads(line) for line in (out / "_bulk" / "rejected.jsonl").read_text().splitlines()]


def summary(out: Path) -> dict[str, Any]:
    """What all came to."""
    return json.loads((out / "_bulk" / "summary.json").read_text())
