"""What a worker says when it begins to serve: five lines that show what is in force, and what is not."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.observability.logging.options import FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.protocol import EngineInfo

MIB = 2**20
GIB = 2**30

logger = logging.getLogger("bentorank")


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served and how: each of the `models` under its name, the default first; sizes in bytes, documents and
    tokens, times in seconds.

    `remembers` says where scores are remembered, None where they are not; `keys` how many there are.
    """

    version: str
    models: Sequence[tuple[str, EngineInfo]]
    max_documents: int
    max_request_tokens: int
    max_body_bytes: int
    request_timeout_s: float
    keys: int
    metrics_need_key: bool
    remembers: str | None
    tracing: bool


def say_what_is_served(serving: Serving, loaded_in_s: float) -> None:
    """Log it, in sentences, and in JSON in fields too."""
    for model, engine in serving.models:
        _say(
            f"bentorank {serving.version} serves {model} with {engine.engine} {engine.precision}"
            f" on {engine.device}: {engine.max_tokens} tokens at most for a query with a document",
            event="serving",
            version=serving.version,
            model=model,
            engine=engine.engine,
            precision=engine.precision,
            device=engine.device,
            max_tokens=engine.max_tokens,
        )
    _say(
        f"a request may have {serving.max_documents} documents, {serving.max_request_tokens} tokens,"
        f" {serving.max_body_bytes / MIB:g} MiB and {serving.request_timeout_s:g} s",
        event="limits",
        max_documents=serving.max_documents,
        max_request_tokens=serving.max_request_tokens,
        max_body_bytes=serving.max_body_bytes,
        request_timeout_s=serving.request_timeout_s,
    )
    _say(_who_may_ask(serving), event="access", keys=serving.keys, metrics_need_key=serving.metrics_need_key)
    _say(
        f"scores are {f'remembered {serving.remembers}' if serving.remembers else 'not remembered'};"
        f" requests are {'traced' if serving.tracing else 'not traced'}",
        event="cache",
        remembers=serving.remembers,
        tracing=serving.tracing,
    )
    many = len(serving.models)
    what = "the model was" if many == 1 else f"{many} models were"
    _say(f"ready: {what} loaded in {loaded_in_s:.1f} s", event="ready", loaded_in_s=round(loaded_in_s, 3))


def say_what_memory_is_taken(engine: EngineInfo, *, sharing: int) -> None:
    """Of a GPU, which so many workers are `sharing`."""
    if not (engine.engine == "torch" and engine.device.startswith("cuda")):
        return
    import torch  # noqa: PLC0415 - the engine has imported it

    device = torch.device(engine.device)
    free, total = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device)
    shared = f", which {sharing} workers share by BENTORANK_WORKERS_PER_GPU" if sharing > 1 else ""
    _say(
        f"of {total / GIB:.1f} GiB of memory of {engine.device}{shared}, this worker has {reserved / GIB:.1f},"
        f" and {free / GIB:.1f} are free",
        event="device_memory",
        device=engine.device,
        sharing=sharing,
        reserved_bytes=reserved,
        free_bytes=free,
        total_bytes=total,
    )


def _say(sentence: str, **fields: object) -> None:
    logger.info("%s", sentence, extra={FIELDS: fields})


def _who_may_ask(serving: Serving) -> str:
    if not serving.keys:
        return "no key is needed: whoever reaches the port may ask"
    metrics = "for metrics too" if serving.metrics_need_key else "probes and metrics are open"
    return f"one of {serving.keys} keys is needed, {metrics}"
