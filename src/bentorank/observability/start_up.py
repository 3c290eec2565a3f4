"""What a worker says when it begins to serve: five lines that show what is in force, and what is not."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentorank.engines.protocol import EngineInfo

MIB = 2**20

logger = logging.getLogger("bentorank")


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served and how; sizes in bytes, documents and tokens, times in seconds.

    `remembers` says where scores are remembered, None where they are not; `keys` how many there are.
    """

    version: str
    model: str
    engine: EngineInfo
    max_documents: int
    max_request_tokens: int
    max_body_bytes: int
    request_timeout_s: float
    keys: int
    metrics_need_key: bool
    remembers: str | None
    tracing: bool


def say_what_is_served(serving: Serving, loaded_in_s: float) -> None:
    """Log it."""
    engine = serving.engine
    logger.info(
        "bentorank %s serves %s with %s %s on %s: %d tokens at most for a query with a document",
        serving.version,
        serving.model,
        engine.engine,
        engine.precision,
        engine.device,
        engine.max_tokens,
    )
    logger.info(
        "a request may have %d documents, %d tokens, %g MiB and %g s",
        serving.max_documents,
        serving.max_request_tokens,
        serving.max_body_bytes / MIB,
        serving.request_timeout_s,
    )
    logger.info("%s", _who_may_ask(serving))
    logger.info(
        "scores are %s; requests are %s",
        f"remembered {serving.remembers}" if serving.remembers else "not remembered",
        "traced" if serving.tracing else "not traced",
    )
    logger.info("ready: the model was loaded in %.1f s", loaded_in_s)


def _who_may_ask(serving: Serving) -> str:
    if not serving.keys:
        return "no key is needed: whoever reaches the port may ask"
    metrics = "for metrics too" if serving.metrics_need_key else "probes and metrics are open"
    return f"one of {serving.keys} keys is needed, {metrics}"
