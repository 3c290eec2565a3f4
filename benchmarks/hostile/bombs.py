"""Bodies of up to 10 MiB that are small to write and large to read: by how much is in them, or by its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 10 * 1024 * 1024
# The service's default.
ALLOWED_ITEMS = 250_000
QUERY = b'{"query":"q","documents":'
METADATA = b'{"query":"q","documents":[{"content":"d","metadata":{"m":'


@dataclass(frozen=True, slots=True)
class Bomb:
    """A body and where it goes. `make` is called when it is sent, since all of them together are large."""

    name: str
    make: Callable[[], bytes]
    path: str = "/rerank"


def _filled(start: bytes, item: bytes, end: bytes) -> bytes:
    """`item`, as often as there is room for, between commas."""
    count = (MAX_BYTES - len(start) - len(end) + 1) // (len(item) + 1)
    return start + b",".join([item] * count) + end


def _many(name: str, start: bytes, item: bytes, end: bytes, path: str = "/rerank") -> Bomb:
    return Bomb(name, lambda: _filled(start, item, end), path)


def _just_allowed(name: str, start: bytes, item: bytes, end: bytes, things: int) -> Bomb:
    """`item` as often as the default limit allows, if each counts for so many things."""
    count = (ALLOWED_ITEMS - 100) // things
    return Bomb(f"allowed: {name}", lambda: start + b",".join([item] * count) + end)


def _keys(start: bytes, end: bytes, count: int = 1_000_000) -> bytes:
    """So many different keys, or as many as there is room for."""
    count = min(count, (MAX_BYTES - len(start) - len(end)) // 10)
    return start + b",".join(b'"%05x":1' % number for number in range(count)) + end


def _text(start: bytes, character: bytes, end: bytes) -> bytes:
    """One text of nothing but `character`."""
    return start + b'"' + character * ((MAX_BYTES - len(start) - len(end) - 2) // len(character)) + b'"' + end


def _documents(count: int, text: str) -> bytes:
    return orjson.dumps({"query": "q", "documents": [text] * count, "return_documents": True})


def _batch(requests: int, documents: int) -> bytes:
    return orjson.dumps({"requests": [{"query": "q", "documents": ["d"] * documents}] * requests})


def _rich(documents: int, entries: int) -> bytes:
    """Documents with as much metadata as a generous retriever attaches."""
    metadata = {f"field{number}": f"value {number}" for number in range(entries)}
    texts = ({"content": f"passage {number}", "metadata": metadata} for number in range(documents))
    return orjson.dumps({"query": "q", "documents": list(texts)})


def _many_rank_fields() -> bytes:
    names = [f"f{number}" for number in range(64)]
    return orjson.dumps({"query": "q", "documents": [dict.fromkeys(names, "x")] * 1000, "rank_fields": names})


_IN_DOCUMENT = b'{"query":"q","documents":[{"content":"d",'
_PAIRS = b'{"pairs":'

BOMBS = (
    _many("documents: numbers", QUERY + b"[", b"1", b"]}"),
    _many("documents: empty texts", QUERY + b"[", b'""', b"]}"),
    _many("documents: empty objects", QUERY + b"[", b"{}", b"]}"),
    _many("documents: empty lists", QUERY + b"[", b"[]", b"]}"),
    _many("documents: objects without a text", QUERY + b"[", b'{"a":1}', b"]}"),
    _many("batch: empty requests", b'{"requests":[', b"{}", b"]}", "/rerank/batch"),
    _many("batch: numbers of documents", b'{"requests":[{"query":"q","documents":[', b"1", b"]}]}", "/rerank/batch"),
    _many("Cohere v1: numbers", QUERY + b"[", b"1", b"]}", "/v1/rerank"),
    _many("Cohere v2: numbers", QUERY + b"[", b"1", b"]}", "/v2/rerank"),
    _many("TEI: numbers", b'{"query":"q","texts":[', b"1", b"]}"),
    _many("Voyage: numbers", b'{"query":"q","truncation":true,"documents":[', b"1", b"]}", "/v1/rerank"),
    _many("NIM: numbers", b'{"query":{"text":"q"},"passages":[', b"1", b"]}", "/v1/ranking"),
    _many("Mixedbread: numbers", b'{"query":"q","input":[', b"1", b"]}", "/v1/reranking"),
    _many("Infinity: numbers", QUERY + b"[", b"1", b"]}", "/infinity/rerank"),
    _many("vLLM score: numbers", b'{"text_1":"q","text_2":[', b"1", b"]}", "/score"),
    _many("vLLM score: queries", b'{"text_2":"q","text_1":[', b"1", b"]}", "/score"),
    _many("bentoml score: numbers", _PAIRS + b"[", b"1", b"]}", "/bentoml/score"),
    _many("bentoml score: pairs", _PAIRS + b"[", b'{"query":"q","passage":"p"}', b"]}", "/bentoml/score"),
    _many(
        "bentoml score: unknown field", b'{"pairs":[{"query":"q","passage":"p"}],"x":[', b"[]", b"]}", "/bentoml/score"
    ),
    _many("rank_fields: numbers", b'{"query":"q","documents":["d"],"rank_fields":[', b"1", b"]}"),
    _many("metadata: numbers", METADATA + b"[", b"1", b"]}}]}"),
    _many("metadata: lists", METADATA + b"[", b"[]", b"]}}]}"),
    _many("metadata: objects", METADATA + b"[", b'{"a":1}', b"]}}]}"),
    Bomb("metadata: keys", lambda: _keys(METADATA + b"{", b"}}}]}")),
    Bomb("unknown keys of the body", lambda: _keys(b'{"query":"q","documents":["d"],', b"}")),
    Bomb("unknown keys of a document", lambda: _keys(_IN_DOCUMENT, b"}]}")),
    _many("one key again and again", b'{"query":"q","documents":["d"],', b'"a":1', b"}"),
    _many("one key again and again, in a document", _IN_DOCUMENT, b'"text":1', b"}]}"),
    _many("a list of lists", b"[", b"[]", b"]"),
    Bomb("brackets alone", lambda: b"[" * MAX_BYTES),
    Bomb("63 levels, many times", lambda: _filled(METADATA + b"[", b"[" * 55 + b"]" * 55, b"]}}]}")),
    _many("1e400", METADATA + b"[", b"1e400", b"]}}]}"),
    Bomb("an integer of 10 million digits", lambda: METADATA + b"9" * (MAX_BYTES - 100) + b"}}]}"),
    _many("integers of 20 digits", METADATA + b"[", b"98765432109876543210", b"]}}]}"),
    Bomb("a text of escapes", lambda: _text(METADATA, b"\\u0041", b"}}]}")),
    Bomb("a text of backslashes", lambda: _text(METADATA, b"\\\\", b"}}]}")),
    Bomb("a text of surrogate pairs", lambda: _text(METADATA, b"\\ud83d\\ude00", b"}}]}")),
    Bomb("a text of lone surrogates", lambda: _text(METADATA, b"\\ud800", b"}}]}")),
    Bomb("a text of commas", lambda: _text(METADATA, b",", b"}}]}")),
    Bomb("one wide character in 10 MiB", lambda: _text(METADATA, b"x", b"}}]}").replace(b"xxxx", "😀".encode(), 1)),
    Bomb("a key of 10 MiB", lambda: b'{"query":"q","documents":["d"],' + _text(b"", b"k", b"")[:-40] + b'":1}'),
    Bomb("an unknown field of 10 MiB", lambda: _text(b'{"query":"q","documents":["d"],"x":', b"x", b"}")),
    Bomb("a query of 10 MiB", lambda: _text(b'{"documents":["d"],"query":', b"x", b"}")),
    _just_allowed("numbers in metadata", METADATA + b"[", b"1", b"]}}]}", 1),
    _just_allowed("fractions in metadata", METADATA + b"[", b"0.12345678901234567890123456789012345", b"]}}]}", 1),
    _just_allowed("lists in metadata", METADATA + b"[", b"[]", b"]}}]}", 2),
    _just_allowed("objects in metadata", METADATA + b"[", b'{"a":1}', b"]}}]}", 3),
    _just_allowed("55 levels in metadata", METADATA + b"[", b"[" * 55 + b"]" * 55, b"]}}]}", 56),
    Bomb("allowed: keys in metadata", lambda: _keys(METADATA + b"{", b"}}}]}", ALLOWED_ITEMS // 2 - 50)),
    Bomb("allowed: keys of the body", lambda: _keys(QUERY + b'["d"],', b"}", ALLOWED_ITEMS // 2 - 50)),
    Bomb("allowed: keys of a document", lambda: _keys(_IN_DOCUMENT, b"}]}", ALLOWED_ITEMS // 2 - 50)),
    _just_allowed("rank_fields", b'{"query":"q","documents":["d"],"rank_fields":[', b'"text"', b"]}", 1),
    _just_allowed(
        "pairs of surrogates and one alone", METADATA + b"[", b'"' + b"\\ud83d\\ude00" * 3 + b'"', b',"\\ud800"]}}]}', 1
    ),
    Bomb("64 rank_fields of 1,000 documents", _many_rank_fields),
    Bomb("good: 1,000 documents of 10 kB", lambda: _documents(1000, "x" * 10_400)),
    Bomb("good: 1,000 documents, 40 metadata each", lambda: _rich(1000, 40)),
    Bomb("good: 64 requests of 15 documents", lambda: _batch(64, 15), "/rerank/batch"),
    Bomb("64 requests of 1,000 documents", lambda: _batch(64, 1000), "/rerank/batch"),
)
