"""The servers that are compared: how each is started, when it is ready and how it is asked. Add a peer here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.request_sets import Request


class BodyWriter(Protocol):
    """Encodes a request in a server's dialect, on one line."""

    def __call__(self, request: Request, /) -> bytes:
        """The JSON body."""
        ...


def native_body(request: Request) -> bytes:
    """`{"query", "documents"}`, as bentorank, Cohere and Jina take it."""
    return orjson.dumps({"query": request.query, "documents": request.documents})


@dataclass(frozen=True, slots=True)
class Contender:
    """A server program. `{port}` and `{model}` are filled into its command and environment.

    An answer is a list of results, or an object with `results`. What the command inherits from the environment of
    the benchmark, such as `BENTORANK_…` settings, applies too.
    """

    name: str
    command: tuple[str, ...]
    ready_path: str
    environment: Mapping[str, str] = field(default_factory=dict)
    rerank_path: str = "/rerank"
    write_body: BodyWriter = native_body


TUTORIAL = Contender(
    name="tutorial",
    command=(
        *(sys.executable, "-m", "uvicorn", "benchmarks.baselines.tutorial_fastapi:app"),
        *("--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"),
    ),
    environment={"MODEL": "{model}", "HF_HUB_OFFLINE": "1"},
    ready_path="/health",
)

BENTORANK = Contender(
    name="bentorank",
    command=(str(Path(sys.executable).with_name("bentorank")), "serve", "--port", "{port}"),
    environment={"BENTORANK_MODEL": "{model}"},
    ready_path="/readyz",
)

MAKE_SERVE = Contender(
    name="make serve",
    command=("make", "serve", "PORT={port}"),
    environment={"BENTORANK_MODEL": "{model}"},
    ready_path="/readyz",
)

CONTENDERS = {contender.name: contender for contender in (TUTORIAL, BENTORANK)}
