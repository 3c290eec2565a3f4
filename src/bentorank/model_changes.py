"""Loads and unloads models of a service that runs, one at a time, while the others serve on."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bentorank.errors import (
    BentorankError,
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    ModelNotFoundError,
    ScoringError,
)
from bentorank.model_list import MAX_MODELS, read_entry
from bentorank.observability.logging.privacy import told_without_text
from bentorank.process.garbage import settle_again
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from bentorank.model_list import ModelEntry
    from bentorank.models import ServedModel, ServedModels

T = TypeVar("T")

# A name is a label of metrics, whose series stay until the process ends.
MAX_NAMES = 100
FIRST_ANSWER_TIMEOUT_S = 30.0
POLL_S = 0.02

logger = logging.getLogger(__name__)


class ModelState(StrEnum):
    """How a model is. One that has been unloaded is none."""

    LOADING = "loading"
    SERVING = "serving"
    UNLOADING = "unloading"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model's state. `users` are the requests that it is answering; the `error` is why it could not be loaded."""

    name: str
    state: ModelState
    is_default: bool = False
    users: int = 0
    error: str | None = None


@dataclass(slots=True)
class _Change:
    """The last that was asked for. `model` is the one that leaves."""

    name: str
    state: ModelState
    model: ServedModel | None = None
    error: str | None = None


class ModelChanges:
    """What an admin may do to the models that are served. Lives on the service's event loop."""

    def __init__(
        self,
        models: ServedModels,
        *,
        load: Callable[[ModelEntry, int], ServedModel],
        begin: Callable[[ServedModel], None],
        end: Callable[[ServedModel], None],
        answered_within_s: float,
    ) -> None:
        """`load` loads one beside so many, on a thread; it raises ConfigurationError. `begin` makes it serve, and `end`
        is told of one that has served its last request. No request takes longer than `answered_within_s`.
        """
        self._models = models
        self._load_beside = load
        self._begin = begin
        self._end = end
        self._answered_within_s = answered_within_s
        self._names = set(models.names)
        self._last: _Change | None = None
        self._running: asyncio.Task[None] | None = None

    def load(self, described: Mapping[str, Any]) -> ModelStatus:
        """Begin to load a model that is described as in the list of models.

        Raises InvalidRequestError, which names the field, and ConflictError.
        """
        try:
            entry = read_entry(described)
        except ConfigurationError as error:
            raise InvalidRequestError(error.message) from None
        self._check_idle()
        self._check_names(entry)
        self._names.add(entry.name)
        return self._start(_Change(entry.name, ModelState.LOADING), self._load(entry))

    def unload(self, name: str) -> ModelStatus:
        """Serve a model no more from now on, and begin to unload it once it has answered those that it has.

        Raises ModelNotFoundError and ConflictError.
        """
        model = self._models.find(name)
        if model is None or model.name != name:
            raise ModelNotFoundError(f"no model of that name is served; there are {', '.join(self._models.names)}")
        self._check_idle()
        if model is self._models.default:
            raise ConflictError("this model is the default, which requests without a name get: it stays")
        self._models.remove(name)
        return self._start(_Change(name, ModelState.UNLOADING, model), self._unload(model))

    def status(self, name: str) -> ModelStatus:
        """How a model is. Raises ModelNotFoundError for one that is not there, nor is to be or to leave."""
        for status in self.statuses():
            if status.name == name:
                return status
        raise ModelNotFoundError(f"no model of that name; there are {', '.join(self._models.names)}")

    def statuses(self) -> list[ModelStatus]:
        """All that are served, the default first, and the one of the last change unless that is done."""
        served = [
            ModelStatus(model.name, ModelState.SERVING, model is self._models.default, model.users.count)
            for model in self._models
        ]
        change = self._last
        if change is None:
            return served
        users = 0 if change.model is None else change.model.users.count
        return [*served, ModelStatus(change.name, change.state, users=users, error=change.error)]

    def _check_idle(self) -> None:
        if self._running is not None:
            assert self._last is not None, "bug: a change that nobody asked for"
            raise ConflictError(f"a model is {self._last.state}: one change at a time")

    def _check_names(self, entry: ModelEntry) -> None:
        for field, names in (("name", (entry.name,)), ("aliases", entry.aliases)):
            if any(self._models.find(name) for name in names) or len({*names}) < len(names):
                raise ConflictError(f"{field}: is taken", field=field)
        if entry.name in entry.aliases:
            raise ConflictError("aliases: is taken", field="aliases")
        if len(self._models) >= MAX_MODELS:
            raise ConflictError(f"{MAX_MODELS} models are served, and no more may be: unload one first")
        if entry.name not in self._names and len(self._names) >= MAX_NAMES:
            raise ConflictError(
                f"name: {MAX_NAMES} names have been used since the start, and no more may be: take one again",
                field="name",
            )

    def _start(self, change: _Change, work: Coroutine[Any, Any, None]) -> ModelStatus:
        self._last = change
        logger.info("%s: %s", change.name, change.state)
        self._running = asyncio.create_task(self._finish(change, work))
        return self.status(change.name)

    async def _finish(self, change: _Change, work: Coroutine[Any, Any, None]) -> None:
        started = time.monotonic()
        try:
            await work
        except BentorankError as error:
            change.error = error.message
        except Exception as error:  # noqa: BLE001 - libraries raise whatever they like, and the others serve on
            change.error = f"it could not be loaded: {told_without_text(error)}"
        finally:
            self._running = None
            change.model = None
            # Now that nobody knows the model any more that has left or failed.
            settle_again()
        if change.error is None:
            self._last = None
            logger.info("%s: done with %s after %.1f s", change.name, change.state, time.monotonic() - started)
        else:
            logger.warning("%s: %s failed: %s", change.name, change.state, change.error)
            change.state = ModelState.FAILED

    async def _load(self, entry: ModelEntry) -> None:
        model = await _in_thread(partial(self._load_beside, entry, len(self._models)))
        try:
            await _check_answers(model)
        except BaseException:
            model.reranker.close()
            raise
        self._begin(model)

    async def _unload(self, model: ServedModel) -> None:
        try:
            async with asyncio.timeout(self._answered_within_s):
                while model.users.count:  # noqa: ASYNC110 - whoever leaves sets no event: each request would pay for it
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            logger.warning("%s: %d requests are left, and are refused", model.name, model.users.count)
        await _in_thread(model.reranker.close)
        self._end(model)


async def _check_answers(model: ServedModel) -> None:
    """Raises what the model has against a pair that goes the way of all requests."""
    deadline = time.monotonic() + FIRST_ANSWER_TIMEOUT_S
    (outcome,) = await model.reranker.score([Pair("is this model", "well")], deadline)
    if isinstance(outcome, ScoringError):
        raise outcome


async def _in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, in a thread that no end of the process waits for."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, name="model-change", daemon=True).start()
    return await asyncio.wrap_future(done)
