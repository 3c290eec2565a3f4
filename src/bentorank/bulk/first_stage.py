"""What prunes a job's rows before the model reads them: its own word embeddings, or another model in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.bulk.loading import load_scheduled
from bentorank.bulk.workers import Loaded
from bentorank.cascade.cut import Cut, cut_after, places_to_sift
from bentorank.cascade.embeddings import EmbeddingsStage
from bentorank.cascade.first_stage import EMBEDDINGS
from bentorank.columns import contents_of
from bentorank.errors import ConfigurationError
from bentorank.reading import Terms
from bentorank.reranker import Reranker
from bentorank.wiring import engine_options, word_table

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from bentorank.cascade.first_stage import FirstStage
    from bentorank.engines.protocol import Engine
    from bentorank.model_list import ModelEntry
    from bentorank.scheduling import Device
    from bentorank.settings import Settings
    from bentorank.types import Cascade, LengthPolicy, RerankJob


@dataclass(frozen=True, slots=True)
class Pruner:
    """Says which documents of a row the model is to read, by a `stage` that may be of an `other` model."""

    stage: FirstStage
    other: Reranker | None = None

    @property
    def loaded(self) -> Loaded | None:
        """The other model."""
        return None if self.other is None else Loaded.of(self.other.info)

    async def cut(self, job: RerankJob, length: LengthPolicy) -> Cut:
        """All documents, or the best of them. Raises as FirstStage.sift does."""
        cascade = job.cascade
        assert cascade is not None, "bug: nothing is to be pruned"
        places = places_to_sift(job.documents, cascade.keep)
        if not places:
            return Cut(range(len(job.documents)))
        contents = contents_of(job.documents)
        passages = [contents[place] for place in places]
        sifted = await self.stage.sift(job.query, passages, Terms(length, let_in=True))
        return cut_after(cascade, len(job.documents), places, sifted)

    def close(self) -> None:
        """Give the other model back."""
        if self.other is not None:
            self.other.close()


def prune_by_words(settings: Settings, engine: Engine, executor: Executor) -> Pruner:
    """By the word embeddings of the engine's model, on the threads of `executor`.

    Raises ConfigurationError where there are none.
    """
    table = word_table(engine_options(settings, worker_index=1))
    if table is None:
        raise ConfigurationError(f"first_stage is {EMBEDDINGS}, but no word embeddings are to be found in this model")
    return Pruner(EmbeddingsStage(engine, table, executor))


def prune_by_model(settings: Settings, entry: ModelEntry, device: Device) -> Pruner:
    """By another model, on the same device. Raises ConfigurationError where it cannot be loaded."""
    loaded = load_scheduled(settings, device, entry, models=2)
    reranker = Reranker(
        loaded.engine,
        loaded.scheduler,
        tokenizer_threads=settings.tokenizer_threads,
        max_request_tokens=settings.max_request_tokens,
    )
    return Pruner(reranker, reranker)


def other_model(cascade: Cascade | None, settings: Settings) -> ModelEntry | None:
    """The model of the list that is the first stage; None where none is.

    Raises ConfigurationError where there is no such model beside the one that ranks.
    """
    if cascade is None or cascade.first_stage == EMBEDDINGS:
        return None
    for entry in settings.model_entries[1:]:
        if cascade.first_stage in entry.names:
            return entry
    raise ConfigurationError(
        f"first_stage is {cascade.first_stage}, which is neither {EMBEDDINGS} nor another model of BENTORANK_MODELS"
    )
