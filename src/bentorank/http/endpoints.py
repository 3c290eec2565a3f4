"""Which reranking path speaks which dialects: the table of docs/dialects.md, and of the OpenAPI document."""

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
    from bentorank.http.dialects.dialect import Dialect

# By the first dialect that a path lists it is known; `dialects/selection.py` chooses for each request.
RERANK_PATHS: dict[str, tuple[Dialect[Any], ...]] = {
    "/rerank": (NATIVE, TEI, VOYAGE),
    "/v1/rerank": (SUPERSET, VOYAGE),
    "/v2/rerank": (COHERE_V2,),
    "/api/rerank": (SUPERSET,),
    "/reranking": (SUPERSET, TEI, MIXEDBREAD),
    "/v1/reranking": (MIXEDBREAD, SUPERSET, TEI),
    "/v1/ranking": (NIM,),
    NIM_TEMPLATE: (NIM,),
    "/infinity/rerank": (INFINITY,),
}
SCORE_PATHS = ("/score", "/v1/score")
BATCH_PATH = "/rerank/batch"
