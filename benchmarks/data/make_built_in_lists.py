"""Draws the lists that `bentorank export` and `tune` carry: python -m benchmarks.data.make_built_in_lists DATA."""

from __future__ import annotations

import gzip
import random
from itertools import chain
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs

import orjson
import typer

from benchmarks.quality.prepare_collections import Collection, read_scifact, read_squad
from bentorank.evaluation.built_in import BUILT_IN
from bentorank.evaluation.candidates import bm25_candidates

QUERIES = 8
CANDIDATES = 10
SEED = 13


def main(data: Path) -> None:
    """Take queries of both collections in turn, each with the passages that BM25 ranks first, in random order."""
    turns = zip(*(_lists(collection) for collection in (read_scifact(data), read_squad(data))), strict=True)
    plain = orjson.dumps(list(chain.from_iterable(turns)))
    BUILT_IN.write_bytes(gzip.compress(plain, mtime=0))


def _lists(collection: Collection) -> list[dict[str, object]]:
    generator = random.Random(SEED)
    texts = {key: f"{title} {text}".strip() for key, (title, text) in collection.passages.items()}
    chosen = generator.sample(list(collection.queries), QUERIES)
    queries = {query: collection.queries[query] for query in chosen}
    ranked = bm25_candidates(texts, queries, CANDIDATES)
    # In BM25's order the ties that keep their place would look like agreement.
    return [
        {"query": queries[query], "passages": [texts[key] for key in generator.sample(found, len(found))]}
        for query, found in ranked.items()
    ]


if __name__ == "__main__":
    typer.run(main)
