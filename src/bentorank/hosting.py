"""Loads models onto the device that they share, each as it is served: engine, queue, reranker, name."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from bentorank.cascade.first_stage import EMBEDDINGS, NO_FIRST_STAGE
from bentorank.engines.loading import load_engine
from bentorank.errors import ConfigurationError
from bentorank.memory_need import check_memory, check_room
from bentorank.model_list import of_model
from bentorank.models import ServedModel
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler
from bentorank.types import Overflow
from bentorank.wiring import engine_options, scheduler_limits, word_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.cache import ScoreCache
    from bentorank.cascade.first_stage import FirstStage
    from bentorank.model_list import ModelEntry
    from bentorank.scheduling import Device
    from bentorank.settings import Settings

logger = logging.getLogger(__name__)


class Host:
    """One device of a process, and what it takes to serve a model on it."""

    def __init__(
        self,
        settings: Settings,
        device: Device,
        cache: ScoreCache | None,
        others: Mapping[str, FirstStage],
        *,
        worker_index: int = 1,
    ) -> None:
        """`others` are the models that are served by then, by their names: each may be another's first stage."""
        self._settings = settings
        self._others = others
        self._device = device
        self._cache = cache
        self._worker_index = worker_index

    def load_all(self) -> list[ServedModel]:
        """What the settings ask for, the default first; takes seconds to minutes.

        Raises ConfigurationError, which names the model where there are several.
        """
        entries = self._settings.model_entries
        if not entries:
            return [self._load(None)]
        check_memory(self._settings, entries)
        return [self.load(entry) for entry in entries]

    def load(self, entry: ModelEntry, *, models: int | None = None) -> ServedModel:
        """One model of so many, warm. Raises ConfigurationError, which names it."""
        try:
            return self._load(entry, models)
        except ConfigurationError as error:
            raise ConfigurationError(of_model(entry.name, error.message)) from error

    def load_beside(self, entry: ModelEntry, served: int) -> ServedModel:
        """One more, warm, beside so many that are served. Raises as `load`, and where memory has no room for it."""
        name = entry.first_stage
        if name is not None and name not in {EMBEDDINGS, NO_FIRST_STAGE, *self._others}:
            raise ConfigurationError(f"model {entry.name}: first_stage: {name} is not served")
        check_room(self._settings, entry, models=served + 1)
        return self.load(entry, models=served + 1)

    def _load(self, entry: ModelEntry | None, models: int | None = None) -> ServedModel:
        settings = self._settings
        options = engine_options(settings, self._worker_index, entry, models=models)
        engine = load_engine(options)
        words = word_table(options)
        first_stage = settings.first_stage_of(entry)
        if words is None and first_stage == EMBEDDINGS:
            raise ConfigurationError(
                f"first_stage is {EMBEDDINGS}, but no word embeddings are to be found in this model"
            )
        own = engine.info.model
        names = tuple(dict.fromkeys((settings.served_model_name or own, own))) if entry is None else entry.names
        started = time.monotonic()
        engine.warm_up()
        warmed_up_in_s = time.monotonic() - started
        limits = scheduler_limits(settings, engine.info, models=models)
        scheduler = Scheduler(engine, limits, device=self._device, warmed_up_in_s=warmed_up_in_s)
        scheduler.start()
        reranker = Reranker(
            engine,
            scheduler,
            tokenizer_threads=settings.tokenizer_threads,
            max_request_tokens=settings.max_request_tokens,
            cache=self._cache,
            words=words,
            others=self._others,
            names=names,
        )
        if entry is None:
            return ServedModel(names[0], reranker, aliases=names[1:])
        overflow = None if entry.overflow is None else Overflow(entry.overflow)
        return ServedModel(entry.name, reranker, entry.aliases, overflow, first_stage, entry.keep)
