"""Which dialect a request speaks: a prefix decides, else the keys of its body, and the path breaks ties.

The rules, in order; the first that fits wins (docs/dialects.md):

1. under `/infinity`: Infinity; under `/voyage`: Voyage
2. `texts`: TEI
3. `passages`: NVIDIA NIM
4. `input` without `documents`: Mixedbread
5. `truncation`, or `top_k` on `/v1/rerank`: Voyage. On bare `/rerank`, `top_k` is our own.
6. `/v2/rerank`: Cohere v2
7. otherwise: native on `/rerank`, and elsewhere its superset of Cohere v1, Jina, vLLM, Xinference and llama.cpp, whose
   answer has Voyage's `data` too

A body that has none of these keys is read as its path suggests, so that the error names the field that is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentorank.http.dialects.cohere_v2 import COHERE_V2
from bentorank.http.dialects.infinity import INFINITY
from bentorank.http.dialects.mixedbread import MIXEDBREAD
from bentorank.http.dialects.native import NATIVE, SUPERSET
from bentorank.http.dialects.nim import NIM
from bentorank.http.dialects.tei import TEI
from bentorank.http.dialects.voyage import VOYAGE
from bentorank.http.edge.model_paths import NIM_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.http.dialects.dialect import Dialect

# What a path is known for.
RERANK_PATHS: Mapping[str, Dialect[Any]] = {
    "/rerank": NATIVE,
    "/v1/rerank": SUPERSET,
    "/v2/rerank": COHERE_V2,
    "/api/rerank": SUPERSET,
    "/reranking": SUPERSET,
    "/v1/reranking": MIXEDBREAD,
    "/v1/ranking": NIM,
    NIM_TEMPLATE: NIM,
    "/infinity/rerank": INFINITY,
    "/voyage/rerank": VOYAGE,
}
# Their bodies are like others', their answers are not.
DECIDED_BY_PREFIX = (INFINITY, VOYAGE)


def select(path: str, body: Mapping[str, object]) -> Dialect[Any]:
    """The dialect of a request to `path`, one of RERANK_PATHS, whose JSON object is `body`."""
    own = RERANK_PATHS[path]
    if own in DECIDED_BY_PREFIX:
        return own
    if "texts" in body:
        return TEI
    if "passages" in body:
        return NIM
    if "documents" not in body and ("input" in body or own in (NIM, MIXEDBREAD)):
        return MIXEDBREAD if "input" in body else own
    if "truncation" in body or (path == "/v1/rerank" and "top_k" in body):
        return VOYAGE
    return SUPERSET if own in (NIM, MIXEDBREAD) else own


def dialects_of(path: str) -> tuple[Dialect[Any], ...]:
    """Every dialect that `select` may choose for `path`, what the path is known for first."""
    own = RERANK_PATHS[path]
    if own in DECIDED_BY_PREFIX:
        return (own,)
    with_documents = () if own in (NATIVE, COHERE_V2) else (SUPERSET,)
    return tuple(dict.fromkeys((own, *with_documents, TEI, VOYAGE, NIM, MIXEDBREAD)))


DIALECT_NAMES = sorted({dialect.name for path in RERANK_PATHS for dialect in dialects_of(path)})
