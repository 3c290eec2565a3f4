"""Draws the committed sample from a data directory: python -m benchmarks.data.make_sample DATA."""

from __future__ import annotations

import random
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs

import typer

from benchmarks.harness.texts import Texts, read_data_dir, write_sample

QUERIES = 60
PASSAGES = 400
SEED = 13


def main(data: Path) -> None:
    """Take half of the queries and of the passages from each collection, at random."""
    texts = read_data_dir(data)
    write_sample(Texts(_sample(texts.queries, QUERIES), _sample(texts.passages, PASSAGES)))


def _sample(turns: tuple[str, ...], count: int) -> tuple[str, ...]:
    # The collections take turns, so even places are SciFact's and odd ones SQuAD's.
    generator = random.Random(SEED)
    halves = [generator.sample(turns[start::2], count // 2) for start in (0, 1)]
    return tuple(text for turn in zip(*halves, strict=True) for text in turn)


if __name__ == "__main__":
    typer.run(main)
