"""Real queries and passages for load: the committed sample, or SciFact and SQuAD in a data directory."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.quality.prepare_collections import read_scifact, read_squad

SAMPLE = Path(__file__).parents[1] / "data" / "sample.json.gz"


@dataclass(frozen=True, slots=True)
class Texts:
    """Queries and passages, half of each from SciFact and half from SQuAD, with their natural lengths."""

    queries: tuple[str, ...]
    passages: tuple[str, ...]


def read_sample(path: Path = SAMPLE) -> Texts:
    """The sample that the repository carries."""
    plain: dict[str, Any] = orjson.loads(gzip.decompress(path.read_bytes()))
    return Texts(tuple(plain["queries"]), tuple(plain["passages"]))


def read_data_dir(data: Path) -> Texts:
    """All of SciFact's and SQuAD's passages and queries, taken in turn so that any prefix is a mix."""
    collections = (read_scifact(data), read_squad(data))
    passages = zip(*(_joined(collection.passages) for collection in collections), strict=False)
    queries = zip(*(collection.queries.values() for collection in collections), strict=False)
    return Texts(
        queries=tuple(text for turn in queries for text in turn),
        passages=tuple(text for turn in passages for text in turn),
    )


def write_sample(texts: Texts, path: Path = SAMPLE) -> None:
    """The same bytes for the same texts."""
    plain = orjson.dumps({"queries": texts.queries, "passages": texts.passages})
    path.write_bytes(gzip.compress(plain, mtime=0))


def _joined(passages: dict[str, tuple[str, str]]) -> list[str]:
    return [f"{title} {text}".strip() for title, text in passages.values()]
