"""The names of scores in a cache: digests, which tell texts apart as well as the texts do, and give none away."""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from bentorank.columns import TextPairs
from bentorank.types import Overflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import LengthPolicy, Pair

DIGEST_BYTES = 16

_digest = partial(blake2b, digest_size=DIGEST_BYTES)


class CacheKey(NamedTuple):
    """`query` is a digest of model, preprocessing and query, `passage` one of the passage: 16 bytes each."""

    query: bytes
    passage: bytes


def document_keys(fingerprint: str, policy: LengthPolicy, pairs: Sequence[Pair]) -> list[CacheKey]:
    """The key of each pair, scored by the model of `fingerprint` after reading what `policy` wants.

    Each distinct query is digested once.
    """
    preprocessing = _preprocessing(fingerprint, policy)
    texts = TextPairs.of(pairs)
    queries = {query: _query_digest(preprocessing, query) for query in set(texts.queries)}
    return [
        CacheKey(queries[query], _digest(_to_bytes(passage)).digest())
        for query, passage in zip(texts.queries, texts.passages, strict=True)
    ]


def _query_digest(preprocessing: bytes, query: str) -> bytes:
    return _digest(preprocessing + _to_bytes(query)).digest()


def _preprocessing(fingerprint: str, policy: LengthPolicy) -> bytes:
    """All but the text that a score depends on, ending where the text begins: no two ways to read it."""
    splits = policy.overflow is Overflow.CHUNK
    parts = (
        policy.overflow.value,
        policy.max_tokens_per_doc,
        policy.max_chunks_per_doc if splits else None,
        policy.overlap_tokens if splits else None,
        policy.keep_end,
        policy.cut_query,
        *([policy.instruction] if policy.instruction else []),
    )
    model = _to_bytes(fingerprint)
    return b"%d:%b%b\n" % (len(model), model, repr(parts).encode())


def _to_bytes(text: str) -> bytes:
    # JSON may carry half of a surrogate pair, which has no UTF-8 of its own.
    return text.encode("utf-8", "surrogatepass")
