"""Which dialect a request speaks: the keys of its body decide, the path breaks ties.

The rules, in order; the first that fits wins.

1. `texts`: TEI
2. `passages`: NVIDIA NIM
3. `input` without `documents`: Mixedbread
4. under `/infinity`: Infinity
5. `truncation`, or `top_k` on `/v1/rerank`: Voyage. On bare `/rerank`, `top_k` is our own.
6. `/v2/rerank`: Cohere v2
7. otherwise: native on `/rerank`, and its superset of Cohere v1, Jina, vLLM, Xinference and llama.cpp elsewhere

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
from bentorank.http.model_paths import NIM_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank.http.dialects.dialect import Dialect

_BY_KEY: tuple[tuple[str, Dialect[Any]], ...] = (("texts", TEI), ("passages", NIM))
_BY_PATH: Mapping[str, Dialect[Any]] = {"/rerank": NATIVE, "/v2/rerank": COHERE_V2, "/infinity/rerank": INFINITY}
_WITHOUT_DOCUMENTS: Mapping[str, Dialect[Any]] = {"/v1/ranking": NIM, NIM_TEMPLATE: NIM, "/v1/reranking": MIXEDBREAD}


def select(path: str, body: Mapping[str, object]) -> Dialect[Any]:
    """The dialect of a request to `path` whose JSON object is `body`."""
    for key, dialect in _BY_KEY:
        if key in body:
            return dialect
    if "documents" not in body and ("input" in body or path in _WITHOUT_DOCUMENTS):
        return MIXEDBREAD if "input" in body else _WITHOUT_DOCUMENTS[path]
    if "truncation" in body or (path == "/v1/rerank" and "top_k" in body):
        return INFINITY if path == "/infinity/rerank" else VOYAGE
    return _BY_PATH.get(path, SUPERSET)
