"""The model threads of a process, and whose batch is next where several models share them.

Each model has a queue of its own; a batch is of one model. A thread that is free asks the model that has had the least
of the device for its next batch, so a flood of requests for one delays those for another by the pass that runs.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bentorank.scheduling.fair_clock import Turn, Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.engines.protocol import EngineInfo
    from bentorank.scheduling.queue import Share

# Shares of a device are sums of fractions.
ROUNDING = 1e-9

logger = logging.getLogger(__name__)


class Lane(Protocol):
    """One model's queue, as the device sees it; but for `compute` and `refuse_all` the device's lock is held."""

    turn: Turn

    @property
    def info(self) -> EngineInfo:
        """What is loaded."""
        ...

    @property
    def queued_tokens(self) -> int:
        """What waits, without what is computed or tokenised."""
        ...

    @property
    def work_s(self) -> float:
        """How long the device would take for all that is known to come, as far as its speed is known."""
        ...

    def drop_late(self) -> None:
        """Forget what cannot be in time any more."""
        ...

    def take_batch(self) -> Batch:
        """The next batch of what waits, of which there is some."""
        ...

    def compute(self, batch: Batch) -> Callable[[], None]:
        """Run a batch on the calling thread; what it returns delivers the outcomes, and is called under the lock."""
        ...

    def limit_s(self, tokens: int) -> float:
        """How long an honest pass of so many tokens may take."""
        ...

    def refuse_all(self, reason: str) -> None:
        """Answer everybody who waits with UnavailableError."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one forward pass of a model computes, since when; `about_s` is how long it may take of the device."""

    shares: Sequence[Share]
    tokens: int
    since: float
    about_s: float


class _Stream:
    """One thread that computes batches, and what it is computing. Written under the device's lock."""

    def __init__(self, number: int, live: Callable[[_Stream], None]) -> None:
        self.lane: Lane | None = None
        self.batch: Batch | None = None
        self.thread = threading.Thread(target=live, args=(self,), name=f"model-{number}", daemon=True)

    def is_stalled(self, now: float) -> bool:
        """Whether a batch has been computing for longer than any honest one."""
        lane, batch = self.lane, self.batch
        return lane is not None and batch is not None and now - batch.since > lane.limit_s(batch.tokens)


class Device:
    """Shares the model threads between the schedulers of all models, whose lock is `changed`.

    There are as many threads as the engine with the most takes. A pass of a model that may run n at a time takes an
    nth of the device, so that no more run than fit. Start it with `start`, stop it with `close`.
    """

    def __init__(
        self,
        *,
        on_death: Callable[[BaseException], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_death` is called on a model thread that dies of anything but `close`, with what: a server should exit."""
        self.clock = clock
        self.changed = threading.Condition()
        self.turns = Turns()
        self._on_death = on_death
        self._lanes: list[Lane] = []
        self._streams: list[_Stream] = []
        self._started = False
        self._closing = False
        self._free_since = float("-inf")

    def add(self, lane: Lane) -> None:
        """Serve one more model; at any time."""
        with self.changed:
            self._lanes.append(lane)
            missing = range(len(self._streams), lane.info.forward_threads)
            added = [_Stream(number, self._live) for number in missing]
            self._streams += added
            if self._started:
                for stream in added:
                    stream.thread.start()

    def remove(self, lane: Lane, timeout_s: float) -> None:
        """Serve a model no more, once its running passes have ended: nothing else of it is begun."""
        with self.changed:
            if lane in self._lanes:
                self._lanes.remove(lane)
            self.changed.wait_for(lambda: not self.computing_tokens(lane), timeout_s)

    def start(self) -> None:
        """Start the model threads."""
        with self.changed:
            self._started = True
            for stream in self._streams:
                stream.thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish the running batches unless they hang, refuse what still waits with UnavailableError, end threads."""
        with self.changed:
            self._closing = True
            self.changed.notify_all()
        deadline = time.monotonic() + (0.0 if self.is_stalled else timeout_s)
        for stream in self._streams:
            if stream.thread.is_alive():
                stream.thread.join(max(0.0, deadline - time.monotonic()))
        self._refuse_all("the service is stopping")

    @property
    def takes_work(self) -> bool:
        """Whether what is queued now will be computed."""
        return not self._closing and all(stream.thread.is_alive() for stream in self._streams)

    @property
    def is_alive(self) -> bool:
        """False once a model thread has died or a forward pass takes longer than any honest one."""
        return not self.is_stalled and all(stream.thread.is_alive() for stream in self._streams)

    @property
    def is_stalled(self) -> bool:
        """Whether a forward pass takes longer than `stalled_after_s`, and than the speed of others explains."""
        with self.changed:
            now = self.clock()
            return any(stream.is_stalled(now) for stream in self._streams)

    def computing_tokens(self, lane: Lane) -> int:
        """Those of a model's passes that run."""
        return sum(stream.batch.tokens for stream in self._streams if stream.lane is lane and stream.batch is not None)

    def works_of_others(self, lane: Lane) -> list[float]:
        """How long each other model with work would take for all of it; empty where a model is alone."""
        if len(self._lanes) == 1:
            return []
        return [work_s for other in self._lanes if other is not lane and (work_s := other.work_s)]

    def seconds_of_pass(self, info: EngineInfo, started: float, ended: float) -> float:
        """How long the device worked on a pass. Where one is prefetched, it works on it from the end of that before."""
        if not info.prefetches:
            return ended - started
        started = max(started, self._free_since)
        self._free_since = max(ended, self._free_since)
        return max(0.0, ended - started)

    def _live(self, stream: _Stream) -> None:
        try:
            while self._take(stream):
                self._compute(stream)
        except BaseException as error:  # noqa: BLE001 - a service without a model thread must not look healthy
            logger.critical("the model thread died: %s", type(error).__name__)
            with self.changed:
                self._closing = True
                self.changed.notify_all()
            self._refuse_all("the engine died")
            self._on_death(error)

    def _take(self, stream: _Stream) -> bool:
        """Wait for work and give the stream a batch of it; False when closing."""
        with self.changed:
            while not self._closing:
                if (lane := self._next_lane()) is not None:
                    batch = lane.take_batch()
                    self.turns.take(lane.turn, batch.about_s)
                    stream.lane, stream.batch = lane, batch
                    return True
                self.changed.wait()
            return False

    def _next_lane(self) -> Lane | None:
        """The model whose turn it is, if it has work and there is room for another pass of it.

        Where there is none for it, nobody else's goes before: a model whose passes take all of the device would never
        find it free.
        """
        for lane in self._lanes:
            lane.drop_late()
        waiting = [lane for lane in self._lanes if lane.queued_tokens]
        if not waiting:
            return None
        lane = min(waiting, key=lambda waiter: waiter.turn.served_s) if len(waiting) > 1 else waiting[0]
        return lane if self._has_room_for(lane) else None

    def _has_room_for(self, lane: Lane) -> bool:
        if self._is_of(lane):
            return True
        taken = sum(1 / stream.lane.info.forward_threads for stream in self._streams if stream.lane is not None)
        return taken + 1 / lane.info.forward_threads <= 1 + ROUNDING

    def _is_of(self, lane: Lane) -> bool:
        """Whether nobody else shares it: then each thread has room for a pass."""
        return self._lanes == [lane] and len(self._streams) == lane.info.forward_threads

    def _compute(self, stream: _Stream) -> None:
        lane, batch = stream.lane, stream.batch
        assert lane is not None and batch is not None, "bug: a stream computes nothing"  # noqa: PT018 - one fact
        deliver = lane.compute(batch)
        with self.changed:
            deliver()
            stream.lane = stream.batch = None
            if not self._is_of(lane):
                self.changed.notify_all()

    def _refuse_all(self, reason: str) -> None:
        for lane in [*self._lanes]:
            lane.refuse_all(reason)
