"""What stands before BentoML's own route: the media type, the limits and the errors of every other route.

BentoML would take forms and plain text, make an error object for each of a million mistakes, and know no limits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request

from bentorank.http.edge.request_context import context_of
from bentorank.http.routes.body import read_as, read_json
from bentorank.http.routes.logged_work import asked_work
from bentorank.types import Pair

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bentorank.http.dialects.limits import RequestLimits
    from bentorank.http.edge.key_budgets import KeyBudgets
    from bentorank.http.service_state import ServiceState


BENTOML_SCORE_PATH = "/bentoml/score"


class PairBody(BaseModel):
    """One query and one passage."""

    model_config = ConfigDict(strict=True)

    query: str
    passage: str


class PairsBody(BaseModel):
    """What BentoML makes of the arguments of `score`."""

    model_config = ConfigDict(strict=True)

    pairs: Annotated[list[PairBody], Field(fail_fast=True)]


@dataclass(frozen=True, slots=True)
class ScoreGate:
    """BentoML's application behind a check of what is posted to `path`; it gets the pairs and nothing else."""

    app: ASGIApp
    path: str
    state: ServiceState
    limits: RequestLimits
    request_timeout_s: float
    budgets: KeyBudgets | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises the errors of `read_json` and of the limits."""
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            body, pairs = await self._read(Request(scope, receive))
        except ClientDisconnect:
            return  # nobody is left to answer
        context = context_of(scope)
        context.work = asked_work("bentoml", self.state.models.default.name, len(pairs))
        if self.budgets is not None:
            # BentoML computes callers' pairs together: what was used for whom, nobody knows.
            with self.budgets.charged(context.key, self.state.models.default.reranker.forecast_tokens(pairs)):
                pass
        await self.app(_with_json_headers(scope, len(body)), _replayed(body, receive), send)

    async def _read(self, request: Request) -> tuple[bytes, list[Pair]]:
        parsed = (await read_json(request, self.limits)).object
        self.limits.check_count(parsed.get("pairs"), "pairs")
        pairs = read_as(PairsBody, parsed).pairs
        texts = [Pair(pair.query, pair.passage) for pair in pairs]
        self.limits.check_pairs(texts)
        await self.state.models.default.reranker.check_tokens(texts, time.monotonic() + self.request_timeout_s)
        return orjson.dumps({"pairs": [text._asdict() for text in texts]}), texts


def _with_json_headers(scope: Scope, length: int) -> Scope:
    replaced = {b"content-type", b"content-length", b"transfer-encoding"}
    kept = [(name, value) for name, value in scope["headers"] if name not in replaced]
    own = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    return {**scope, "headers": kept + own}


def _replayed(body: bytes, receive: Receive) -> Receive:
    """`receive`, giving `body` first."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_body_first() -> Message:
        return messages.pop() if messages else await receive()

    return receive_body_first
