"""The steps of a request from the bytes of its body to the bytes of its answer, each to be run alone and again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from starlette.requests import Request as HttpRequest

from benchmarks.harness.contender import native_body
from bentorank.columns import TextPairs, contents_of
from bentorank.engines.collation import longest, pack, pad
from bentorank.engines.encoded_pairs import all_of
from bentorank.engines.protocol import EngineInfo
from bentorank.http.dialects.dialect import Answer, JobRules
from bentorank.http.dialects.native import NATIVE
from bentorank.http.edge.envelope import json_response
from bentorank.http.edge.request_context import begin_request
from bentorank.http.routes.body import read_as, read_json
from bentorank.http.routes.rerank import RerankRoutes
from bentorank.http.routes.timing_headers import timing_headers
from bentorank.http.service_state import ServiceState
from bentorank.models import ServedModel, ServedModels
from bentorank.ranking import is_empty, rank
from bentorank.reading import EncodedDocuments
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler, SchedulerLimits
from bentorank.scheduling.batching import BatchBudget
from bentorank.scheduling.queue import FairQueue, QueuedRequest
from bentorank.settings import Settings
from bentorank.types import LengthPolicy, ModelActivation, Ranking, Timings, Usage
from bentorank.wiring import job_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from starlette.responses import Response
    from starlette.types import Message, Scope

    from benchmarks.harness.request_sets import Request
    from bentorank.engines.encoded_pairs import EncodedChunks, EncodedPairs
    from bentorank.engines.encoding import PairEncoder
    from bentorank.types import EncodedPair, Pair, RerankJob

TIMEOUT_S = 600.0
BATCH_TOKENS = 32_768
WIDTH_STEP = 16
TIMINGS = Timings(0.0, 0.0, 0.0, 0.0)


class RememberedEncodings:
    """A tokenizer that gives what it gave before: its own time, Rust's without the GIL, is left out."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - tokenizers has no types
        self._tokenizer = tokenizer
        self._remembered: dict[tuple[str, ...], list[Any]] = {}

    def encode_batch_fast(self, texts: list[str], *, add_special_tokens: bool) -> list[Any]:
        """As a tokenizer does."""
        key = tuple(texts)
        if key not in self._remembered:
            encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=add_special_tokens)
            self._remembered[key] = encoded
        return self._remembered[key]


class NoModel:
    """An engine that makes a batch's tensors and computes nothing."""

    def __init__(self, encoder: PairEncoder) -> None:
        self._encoder = encoder
        self.info = EngineInfo(
            "none",
            "none",
            "cuda",
            "bf16",
            512,
            ModelActivation.SIGMOID,
            "none",
            padding_free=True,
            tokenises_fast=encoder.tokenises_fast,
        )

    def encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        """As the encoder does."""
        return self._encoder.encode(pairs)

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> EncodedChunks:
        """As the encoder does."""
        return self._encoder.encode_chunks(pairs, policy)

    def forward(self, batch: Sequence[EncodedPair]) -> NDArray[np.float32]:
        """Zeros."""
        pack(batch)
        return np.zeros(len(batch), np.float32)

    def warm_up(self) -> None:
        """Nothing to prepare."""


@dataclass(frozen=True, slots=True)
class Way:
    """One request on its way, in front of an engine without a model."""

    body: bytes
    encoder: PairEncoder
    rules: JobRules
    routes: RerankRoutes
    scheduler: Scheduler

    @classmethod
    def of(cls, request: Request, encoder: PairEncoder) -> Way:
        """The encoder is to have remembered encodings."""
        engine, rules = NoModel(encoder), job_rules(Settings())
        scheduler = Scheduler(engine, SchedulerLimits(600_000, BATCH_TOKENS, 0))
        scheduler.start()
        state = ServiceState(ServedModels(ServedModel("none", Reranker(engine, scheduler, tokenizer_threads=1))))
        return cls(native_body(request), encoder, rules, RerankRoutes(state, rules, TIMEOUT_S), scheduler)

    def _request(self) -> HttpRequest:
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": "/rerank",
            "headers": [(b"content-type", b"application/json")],
        }
        begin_request(scope)
        messages: list[Message] = [{"type": "http.request", "body": self.body, "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await _forever()
            raise AssertionError

        return HttpRequest(scope, receive)

    async def job(self) -> RerankJob:
        """Read and check the body."""
        sent = await read_json(self._request(), self.rules.limits)
        body = read_as(NATIVE.body, sent.object)
        return NATIVE.to_job(body, self.rules, time.monotonic() + TIMEOUT_S)

    def encoded(self, job: RerankJob) -> EncodedDocuments:
        """Cut and join what the tokenizer gave."""
        pairs = TextPairs.of_query(job.query, contents_of(job.documents))
        return EncodedDocuments(self.encoder.encode_chunks(pairs, job.length), list(map(is_empty, pairs.passages)))

    def batches(self, encoded: EncodedDocuments) -> list[EncodedPairs]:
        """Queue the pairs and plan their batches."""
        queue, budget = FairQueue(), BatchBudget(BATCH_TOKENS, 0, padding_free=True)
        queue.add(QueuedRequest.of(encoded.to_score, deadline=None))
        batches = []
        while len(queue):
            batches.append(all_of([share.pairs for share in queue.take_batch(budget)]))
        return batches

    def ranking(self, encoded: EncodedDocuments, job: RerankJob, logits: list[float]) -> Ranking:
        """Order the documents."""
        documents = encoded.with_outcomes(logits)
        results = rank(documents, job, ModelActivation.SIGMOID)  # type: ignore[arg-type] - none has failed
        return Ranking(results, Usage(0, 0, 0, 0), TIMINGS)

    def response(self, body: Any, job: RerankJob, ranking: Ranking) -> Response:  # noqa: ANN401 - a dialect's body
        """Write the answer."""
        content = NATIVE.to_response(body, job, ranking, Answer("none"))
        return json_response(content, headers=timing_headers(job, ranking, "cuda"))

    async def whole(self) -> Response:
        """All of it, and what lies between: forecast, admission, threads, metrics."""
        return await self.routes.rerank(self._request())


async def _forever() -> None:
    await asyncio.Event().wait()


def packed(batches: Sequence[Sequence[EncodedPair]]) -> None:
    """One row a batch."""
    for batch in batches:
        pack(batch)


def padded(batches: Sequence[Sequence[EncodedPair]]) -> None:
    """One rectangle a batch."""
    for batch in batches:
        pad(batch, 0, width=-(-longest(batch) // WIDTH_STEP) * WIDTH_STEP)


def body_of(way: Way) -> Any:  # noqa: ANN401 - a dialect's body
    """The body as its dialect's model."""
    return read_as(NATIVE.body, orjson.loads(way.body))
