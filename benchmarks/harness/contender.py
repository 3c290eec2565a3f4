"""What is compared: a server and how it is asked, or a program without HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.harness.request_sets import Request


class BodyWriter(Protocol):
    """Encodes a request in a server's dialect, on one line."""

    def __call__(self, request: Request, /) -> bytes:
        """The JSON body."""
        ...


class ModelPreparer(Protocol):
    """Makes what a server loads of the model that it is to serve."""

    def __call__(self, model: str, /) -> str:
        """A folder, from the folder of a sentence-transformers cross-encoder."""
        ...


def native_body(request: Request) -> bytes:
    """`{"query", "documents"}`, as bentorank, Cohere, Jina and infinity take it."""
    return orjson.dumps({"query": request.query, "documents": request.documents})


def pairs_body(request: Request) -> bytes:
    """`{"pairs": [[query, document], …]}`, as the BentoML services of `peers` take it."""
    return orjson.dumps({"pairs": [(request.query, document) for document in request.documents]})


def as_it_is(model: str) -> str:
    """For a server that loads the folder that all share."""
    return model


@dataclass(frozen=True, slots=True)
class Contender:
    """A server program. `{port}` and `{model}` are filled into its command and environment.

    An answer is a list of results or scores, or an object with `results`. What the command inherits from the
    environment of the benchmark, such as `BENTORANK_…` settings, applies too.
    """

    name: str
    command: tuple[str, ...]
    ready_path: str
    environment: Mapping[str, str] = field(default_factory=dict)
    rerank_path: str = "/rerank"
    write_body: BodyWriter = native_body
    prepare_model: ModelPreparer = as_it_is


@dataclass(frozen=True, slots=True)
class Program:
    """A program that scores without HTTP. `{clients}` and `{model}` are filled into its command and environment.

    It reads paths of files of native bodies from standard input, one a line. When it has loaded it writes a line
    `{"ready": {…}}`, and for each file a line with at least `pairs`, `seconds` and `pairs_per_s`.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
