"""What waits to be written to Redis: bounded, written in the background, dropped rather than waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from bentorank.cache.redis.layout import FIRST_HASH_FIELDS, MORE, first_hash, further_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bentorank.cache.keys import CacheKey
    from bentorank.cache.redis.client import Client
    from bentorank.cache.redis.link import Link

# Some 20,000 documents: what a GPU scores in two seconds, and less memory than one request may take.
MAX_WAITING_BYTES = 4 << 20
_ENTRY_BYTES = 200

# A few milliseconds of the server's time.
_BATCH_ENTRIES = 1000


class Sealed(NamedTuple):
    """A value as it is to be stored."""

    key: CacheKey
    value: bytes


@dataclass(slots=True)
class WriteCounts:
    """How writes ended, in documents."""

    written: int = 0
    dropped: int = 0
    failed: int = 0


@dataclass(slots=True)
class _HashWrite:
    """The fields to be set in one hash, and how many of them are documents."""

    fields: dict[Any, bytes] = field(default_factory=dict)
    documents: int = 0

    def add(self, entry: Sealed) -> None:
        self.fields[entry.key.passage] = entry.value
        self.documents += 1


class Writer:
    """Writes over one link, one batch at a time, for as long as there is something to write."""

    def __init__(self, link: Link, ttl_s: float, counts: WriteCounts) -> None:
        self._link = link
        self._ttl_s = max(1, round(ttl_s))
        self._counts = counts
        self._waiting: deque[Sealed] = deque()
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None

    def put(self, entries: Iterable[Sealed]) -> None:
        """Write these soon, or drop them where too much waits already."""
        for entry in entries:
            size = _ENTRY_BYTES + len(entry.value)
            if self._waiting_bytes + size > MAX_WAITING_BYTES:
                self._counts.dropped += 1
                continue
            self._waiting.append(entry)
            self._waiting_bytes += size
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write_all())

    async def close(self, within_s: float) -> None:
        """Wait a little for what is still to be written."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=within_s)
            self._task.cancel()

    async def _write_all(self) -> None:
        while self._waiting:
            batch = self._take_batch()
            if not self._link.is_open:
                self._counts.dropped += len(batch)
                continue
            documents = await self._link.call(partial(self._write, batch))
            self._counts.written += documents or 0
            self._counts.failed += len(batch) - (documents or 0)

    def _take_batch(self) -> list[Sealed]:
        batch = [self._waiting.popleft() for _ in range(min(_BATCH_ENTRIES, len(self._waiting)))]
        self._waiting_bytes -= sum(_ENTRY_BYTES + len(entry.value) for entry in batch)
        return batch

    async def _write(self, batch: Sequence[Sealed], client: Client) -> int:
        """How many documents were written."""
        queries: dict[bytes, list[Sealed]] = {}
        for entry in batch:
            queries.setdefault(entry.key.query, []).append(entry)
        sizes = client.pipeline(transaction=False)
        for query in queries:
            sizes.hlen(first_hash(query))
        fields = await sizes.execute(raise_on_error=False)
        writes: dict[str, _HashWrite] = {}
        for (query, entries), size in zip(queries.items(), fields, strict=True):
            writes |= _plan(query, entries, size)
        return await self._send(client, writes)

    async def _send(self, client: Client, writes: dict[str, _HashWrite]) -> int:
        pipeline = client.pipeline(transaction=False)
        for name, write in writes.items():
            pipeline.hset(name, mapping=write.fields)
            pipeline.expire(name, self._ttl_s)
        replies = await pipeline.execute(raise_on_error=False)
        stored = zip(writes.values(), replies[::2], strict=True)
        return sum(write.documents for write, reply in stored if not isinstance(reply, Exception))


def _plan(query: bytes, entries: Sequence[Sealed], fields: Any) -> dict[str, _HashWrite]:  # noqa: ANN401 - as replied
    """What is to be set in which hash, where the query's first one has `fields`: all there, or all in further ones."""
    first = _HashWrite()
    if isinstance(fields, int) and fields + len(entries) <= FIRST_HASH_FIELDS:
        for entry in entries:
            first.add(entry)
        return {first_hash(query): first}
    first.fields[MORE] = b""
    writes = {first_hash(query): first}
    for entry in entries:
        writes.setdefault(further_hash(*entry.key), _HashWrite()).add(entry)
    return writes
