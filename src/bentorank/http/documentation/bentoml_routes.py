"""The operations that BentoML serves itself, ahead of our application: FastAPI knows nothing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentorank.http.documentation.errors import POST_ERRORS, errors_by_hand
from bentorank.http.documentation.examples import PAIRS
from bentorank.http.documentation.operations import BENTOML_SCORE, LIVEZ, METRICS_PAGE, READYZ
from bentorank.http.edge.keys import METRICS_PATH
from bentorank.http.routes.bentoml_score import BENTOML_SCORE_PATH, PairsBody

if TYPE_CHECKING:
    from pydantic import BaseModel

    from bentorank.http.documentation.operations import Operation

BENTOML_BODIES: tuple[type[BaseModel], ...] = (PairsBody,)
NO_KEY, UNREADY = 401, 503
EXPOSITION = """\
# HELP rerank_requests_total Rerank requests by the status of their answer.
# TYPE rerank_requests_total counter
rerank_requests_total{status="200"} 42.0
"""


def bentoml_paths() -> dict[str, dict[str, Any]]:
    """The entries of the document's `paths`."""
    empty = {"description": "All is well; the body is a line break.", "content": {"text/plain": {"schema": _TEXT}}}
    metrics = {
        "description": "The text format of Prometheus.",
        "content": {"text/plain": {"schema": _TEXT, "example": EXPOSITION}},
    }
    return {
        "/livez": {"get": _operation("get_livez", LIVEZ, empty, UNREADY)},
        "/readyz": {"get": _operation("get_readyz", READYZ, empty, UNREADY)},
        METRICS_PATH: {"get": _operation("get_metrics", METRICS_PAGE, metrics, NO_KEY)},
        BENTOML_SCORE_PATH: {"post": _score()},
    }


_TEXT = {"type": "string"}


def _operation(name: str, told: Operation, answer: dict[str, Any], *statuses: int) -> dict[str, Any]:
    return {
        "tags": [told.group],
        "summary": told.summary,
        "description": told.text,
        "operationId": name,
        **({"x-aliases": list(told.aliases)} if told.aliases else {}),
        "responses": {"200": answer, **errors_by_hand(*statuses)},
    }


def _score() -> dict[str, Any]:
    logits = {"schema": {"type": "array", "items": {"type": ["number", "null"]}}}
    answer = {
        "description": "A logit for each pair, null where the model could not score it.",
        "content": {"application/json": logits},
    }
    body = {
        "schema": {"$ref": f"#/components/schemas/{PairsBody.__name__}"},
        "examples": {"Pairs": {"value": PAIRS}},
    }
    return {
        **_operation("bentoml_score", BENTOML_SCORE, answer, *POST_ERRORS),
        "requestBody": {"required": True, "content": {"application/json": body}},
    }
