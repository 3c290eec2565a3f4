"""Ways to score a query's candidates: an engine in this process, a running server, a bi-encoder."""

from __future__ import annotations

import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from bentorank.cascade.first_stage import NO_FIRST_STAGE
from bentorank.columns import TextPairs
from bentorank.engines.encoded_pairs import EncodedChunks, as_encoded_pairs
from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.extras import import_extra
from bentorank.types import LengthPolicy, Overflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from bentorank.engines.protocol import Engine
    from bentorank.types import EncodedPair

SERVER_TIMEOUT_S = 300.0
# As bentorank-client reads it.
KEY_VARIABLE = "BENTORANK_API_KEY"


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores in the order of the passages, higher is better; `truncated` counts passages that lost tokens."""

    scores: NDArray[np.float64]
    truncated: int = 0


class Scorer(Protocol):
    """Scores passages for a query."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    def score(self, query: str, passages: Sequence[str]) -> Scored:
        """Score every passage. May raise EvaluationError."""
        ...


class EngineScorer:
    """Scores through an engine in this process, as the service would, without HTTP and queue."""

    def __init__(self, engine: Engine, length: LengthPolicy | None = None) -> None:
        self.engine = engine
        self._length = length or LengthPolicy()

    @property
    def name(self) -> str:
        """Model, engine and precision, and what becomes of long passages unless they are cut."""
        info, overflow = self.engine.info, self._length.overflow
        suffix = "" if overflow is Overflow.TRUNCATE else f", {overflow}"
        return f"{info.model} ({info.engine} {info.precision}{suffix})"

    def score(self, query: str, passages: Sequence[str]) -> Scored:
        """Logits; of a passage that was split, its best chunk's."""
        texts = TextPairs.of_query(query, list(passages))
        encoded = EncodedChunks.of(self.engine.encode_chunks(texts, self._length))
        logits = forward_all(self.engine, encoded.pairs, self.engine.info.batch_tokens)
        marks = list(encoded.split(encoded.pairs.marks))
        first_chunks = np.cumsum([0, *map(len, marks[:-1])])
        best = np.maximum.reduceat(logits, first_chunks)
        return Scored(best.astype(np.float64), sum(own[0].truncated for own in marks))


def forward_all(engine: Engine, encoded: Sequence[EncodedPair], batch_tokens: int) -> NDArray[np.float32]:
    """Logits in the order of the pairs, computed longest first in batches of `batch_tokens` with padding."""
    pairs = as_encoded_pairs(encoded)
    batches = list(in_batches(pairs, batch_tokens))
    logits = np.empty(len(encoded), dtype=np.float32)
    with ThreadPoolExecutor(engine.info.forward_threads) as pool:
        computed = pool.map(lambda places: engine.forward(pairs.at(places)), batches)
        for places, batch_logits in zip(batches, computed, strict=True):
            logits[places] = batch_logits
    return logits


def in_batches(encoded: Sequence[EncodedPair], batch_tokens: int) -> Iterator[list[int]]:
    """Places of the pairs of one batch after the other, longest first."""
    lengths = as_encoded_pairs(encoded).lengths
    places = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    while places:
        pairs = max(1, batch_tokens // lengths[places[0]])
        yield places[:pairs]
        places = places[pairs:]


class ServerScorer:
    """Scores through `POST /rerank` of a running server, by one of its models or its default.

    A server with keys is shown the one in the environment, as clients do it.
    """

    def __init__(self, base_url: str, model: str | None = None) -> None:
        self._url = base_url.rstrip("/") + "/rerank"
        self._model = model
        self._httpx = import_extra("httpx2")
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EvaluationError(f"{KEY_VARIABLE}: a key is printable ASCII")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = self._httpx.Client(timeout=SERVER_TIMEOUT_S, headers=headers)
        weakref.finalize(self, self._client.close)

    @property
    def name(self) -> str:
        """The address, and the model if one is named."""
        return self._url if self._model is None else f"{self._model} ({self._url})"

    def score(self, query: str, passages: Sequence[str]) -> Scored:
        """Logits of all passages, as the server gives them."""
        asked = {"score_mode": "logit", "first_stage": NO_FIRST_STAGE}
        answer = self._post({"query": query, "documents": list(passages)} | asked)
        try:
            scores = np.full(len(passages), np.nan)
            for result in answer["results"]:
                scores[result["index"]] = result["relevance_score"]
            return Scored(scores, answer.get("usage", {}).get("truncated_documents", 0))
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise EvaluationError(f"{self._url}: the answer is not a rerank response") from error

    def order(self, query: str, passages: Sequence[str], asked: dict[str, Any]) -> list[int]:
        """Places of all passages in the order of an answer to a request with what is `asked` besides."""
        answer = self._post(
            {"query": query, "documents": list(passages), "return_documents": False} | asked,
            headers={"cache-control": "no-store"},
        )
        try:
            places = [int(result["index"]) for result in answer["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"{self._url}: the answer is not a rerank response") from error
        if sorted(places) != [*range(len(passages))]:
            raise EvaluationError(f"{self._url}: the answer does not have every document once")
        return places

    def _post(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
        named = {} if self._model is None else {"model": self._model}
        try:
            response = self._client.post(self._url, json=body | named, headers=headers)
            if response.status_code != HTTPStatus.OK:
                raise EvaluationError(f"{self._url}: status {response.status_code}: {_message(response)}")
            answer = cast("dict[str, Any]", response.json())
            self._check_model(answer)
        except (self._httpx.HTTPError, ValueError) as error:
            raise EvaluationError(f"{self._url}: {error or type(error).__name__}") from error
        return answer

    def _check_model(self, answer: dict[str, Any]) -> None:
        """A server may let its default answer in the place of a model that it does not know."""
        for warning in (answer.get("warnings") or []) if self._model is not None else []:
            if str(warning).startswith("model: "):
                raise EvaluationError(f"{self._url}: --model {self._model}: {warning}")


def _message(response: Any) -> str:  # noqa: ANN401 - of an extra
    """The server's own sentence; the beginning of the body where there is none."""
    try:
        message = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        message = response.text
    return str(message)[:300]


class BiEncoderScorer:
    """Scores by the cosine of a sentence-transformers bi-encoder: the baseline for the same candidates."""

    def __init__(self, model: str) -> None:
        sentence_transformers = import_extra("sentence_transformers")
        try:
            self._encoder = sentence_transformers.SentenceTransformer(model)
        except (OSError, ValueError) as error:
            raise EvaluationError(f"--bi-encoder {model}: {error}") from error
        # A folder by its name, as for the other models: reports carry no paths of a machine.
        self._model = Path(model).name if Path(model).is_dir() else model
        # Candidate lists overlap: a passage is embedded once.
        self._embeddings: dict[str, NDArray[np.float32]] = {}

    @property
    def name(self) -> str:
        """The model, marked as a bi-encoder."""
        return f"{self._model} (bi-encoder cosine)"

    def score(self, query: str, passages: Sequence[str]) -> Scored:
        """Cosines."""
        new = [text for text in dict.fromkeys([query, *passages]) if text not in self._embeddings]
        vectors = self._encoder.encode(new, normalize_embeddings=True, show_progress_bar=False)
        self._embeddings.update(zip(new, vectors, strict=True))
        matrix = np.stack([self._embeddings[passage] for passage in passages])
        return Scored((matrix @ self._embeddings[query]).astype(np.float64))
