"""Where scores lie in Redis, and in what form. Pure.

A query has one hash with its first 127 passages and eight for those beyond, by a passage's first bits. As lists of at
most 128 fields these take a third of the bytes of larger hashes, and of a key for each pair. A list of more than 127
passages goes to the eight alone, where few of its passages are compared with each other.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from bentorank.cache.values import unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.types import ScoredDocument

# The number changes with the layout, the keys or the values.
PREFIX = "bentorank:1:"

FIRST_HASH_FIELDS = 127
# A field of a query's first hash: there are further ones.
MORE = b"+"
_SHARDS = 8

_CHECKSUM = struct.Struct("<I")


class Lookup(NamedTuple):
    """Some passages of a query, by their positions in the request, and the hash to look for them in."""

    hash: str
    positions: list[int]
    is_first: bool


def first_hash(query: bytes) -> str:
    """The hash of a query's first passages."""
    return PREFIX + query.hex()


def further_hash(query: bytes, passage: bytes) -> str:
    """The hash of one of its further passages."""
    return f"{PREFIX}{query.hex()}:{passage[0] % _SHARDS}"


def first_lookups(keys: Sequence[CacheKey]) -> list[Lookup]:
    """Where most of these will be found, if anywhere."""
    queries: dict[bytes, list[int]] = {}
    for position, key in enumerate(keys):
        queries.setdefault(key.query, []).append(position)
    lookups = []
    for query, positions in queries.items():
        if len(positions) <= FIRST_HASH_FIELDS:
            lookups.append(Lookup(first_hash(query), positions, is_first=True))
        else:
            lookups += _further_lookups(keys, positions)
    return lookups


def second_lookup(keys: Sequence[CacheKey], done: Lookup, missing: list[int], *, more: bool) -> list[Lookup]:
    """Where to look for what `done` did not find; `more` says that its first hash is not all that there is."""
    if not missing:
        return []
    if done.is_first:
        return _further_lookups(keys, missing) if more else []
    return [Lookup(first_hash(keys[missing[0]].query), missing, is_first=True)]


def _further_lookups(keys: Sequence[CacheKey], positions: Iterable[int]) -> list[Lookup]:
    shards: dict[str, list[int]] = {}
    for position in positions:
        shards.setdefault(further_hash(*keys[position]), []).append(position)
    return [Lookup(shard, found, is_first=False) for shard, found in shards.items()]


def seal(key: CacheKey, packed: bytes) -> bytes:
    """A value that is read under its own key alone, and only whole."""
    return _CHECKSUM.pack(_checksum(key, packed)) + packed


def unseal(key: CacheKey, data: bytes) -> ScoredDocument | None:
    """The document that was sealed under `key`, or None if this is something else."""
    packed = data[_CHECKSUM.size :]
    if data[: _CHECKSUM.size] != _CHECKSUM.pack(_checksum(key, packed)):
        return None
    return unpack(packed)


def _checksum(key: CacheKey, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(key.passage, zlib.crc32(key.query)))
