"""Cohere v2: on request, which parts of each document were relevant. Documents come back if asked for, as in v1.

Source: cohere/v2/client.py and the types of the Python package cohere 7.3.1; https://docs.cohere.com/reference/rerank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentorank.columns import contents_of
from bentorank.http.dialects.dialect import Answer, Dialect, JobRules, search_units
from bentorank.http.dialects.fields import (
    CascadeFields,
    Count,
    DocumentInputs,
    LenientBool,
    Model,
    PositiveInt,
    Query,
    read_documents,
)
from bentorank.types import Overflow, RerankJob

if TYPE_CHECKING:
    from bentorank.types import RankedDocument, Ranking

DEFAULT_SPAN_THRESHOLD = 0.1


class RelevantSpansBody(BaseModel):
    """Whether to say which parts of a document were relevant."""

    model_config = ConfigDict(strict=True)

    mode: Literal["enabled", "disabled"]
    threshold: float | None = Field(None, allow_inf_nan=False, description="Least score of a span; 0.1 unless set.")
    max_spans: PositiveInt | None = Field(None, description="Most spans of a document.")


class CohereV2Body(CascadeFields):
    """One query and the documents to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        title="Cohere v2",
        json_schema_extra={
            "examples": [
                {
                    "model": "starter",
                    "query": "how tall is mount everest",
                    "documents": ["K2 lies on the border.", "Mount Everest rises 8,849 m above sea level."],
                    "top_n": 1,
                    "relevant_spans": {"mode": "enabled"},
                }
            ]
        },
    )

    model: Model = None
    query: Query
    documents: DocumentInputs = Field(min_length=1, description="Texts, or objects with `text`.")
    top_n: Count | None = Field(None, description="How many results to return; all unless set, or with 0.")
    max_tokens_per_doc: Count | None = Field(None, description="Cut documents to so many tokens.")
    return_documents: LenientBool | None = Field(None, description="Not in the original, which has dropped it.")
    relevant_spans: RelevantSpansBody | None = Field(
        None, description="When enabled, documents that do not fit are split, and results name the relevant chunks."
    )

    @property
    def wants_spans(self) -> bool:
        """Whether results are to name the relevant parts of their documents."""
        return self.relevant_spans is not None and self.relevant_spans.mode == "enabled"


class DocumentText(BaseModel):
    """A passage, as Cohere and Jina give it back."""

    model_config = ConfigDict(extra="forbid")

    text: str


class CohereSpan(BaseModel):
    """Part of a document: code points from `start` up to and without `end`."""

    model_config = ConfigDict(extra="forbid")

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    score: float


class CohereResult(BaseModel):
    """One document in its place."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0)
    relevance_score: float
    document: DocumentText | None = Field(None, description="Absent unless asked for.")
    relevant_spans: list[CohereSpan] | None = Field(None, description="Best first; absent unless asked for.")


class ApiVersion(BaseModel):
    """Which version of Cohere's API this is."""

    model_config = ConfigDict(extra="forbid")

    version: str


class BilledUnits(BaseModel):
    """Cohere's unit: a query with up to 100 documents."""

    model_config = ConfigDict(extra="forbid")

    search_units: int


class CohereTokens(BaseModel):
    """What the rerank cost."""

    model_config = ConfigDict(extra="forbid")

    input_tokens: int
    output_tokens: int


class CohereMeta(BaseModel):
    """About the answer."""

    model_config = ConfigDict(extra="forbid")

    api_version: ApiVersion
    billed_units: BilledUnits
    tokens: CohereTokens
    warnings: list[str] | None = Field(None, description="Such as documents that were cut.")


class CohereV2Response(BaseModel):
    """The documents, best first."""

    model_config = ConfigDict(extra="forbid")

    id: str
    results: list[CohereResult]
    meta: CohereMeta


def to_job(body: CohereV2Body, rules: JobRules, deadline: float) -> RerankJob:
    """What the body asks for."""
    documents = read_documents(body.documents, "documents")
    rules.limits.check(body.query, documents)
    return RerankJob(
        query=body.query,
        documents=documents,
        top_n=body.top_n or None,
        cascade=rules.cascade(body.first_stage, body.keep, top_n=body.top_n),
        deadline=deadline,
        length=rules.length(
            Overflow.CHUNK if body.wants_spans else None, max_tokens_per_doc=body.max_tokens_per_doc or None
        ),
    )


def to_response(body: CohereV2Body, job: RerankJob, ranking: Ranking, answer: Answer) -> dict[str, Any]:
    """The answer, best document first."""
    contents = contents_of(job.documents)
    return {
        "id": answer.id,
        "results": [
            {"index": ranked.index, "relevance_score": ranked.relevance_score}
            | ({"document": {"text": contents[ranked.index]}} if body.return_documents else {})
            | ({"relevant_spans": _spans(ranked, body.relevant_spans)} if body.wants_spans else {})
            for ranked in ranking.results
        ],
        "meta": meta(ranking, documents=len(body.documents), version="2"),
    }


def meta(ranking: Ranking, *, documents: int, version: str) -> dict[str, Any]:
    """Cohere's `meta`, in both versions."""
    return {
        "api_version": {"version": version},
        "billed_units": {"search_units": search_units(documents)},
        "tokens": {"input_tokens": ranking.usage.tokens, "output_tokens": 0},
        "warnings": list(ranking.warnings) or None,
    }


def _spans(ranked: RankedDocument, wanted: RelevantSpansBody | None) -> list[dict[str, Any]]:
    threshold = DEFAULT_SPAN_THRESHOLD if wanted is None or wanted.threshold is None else wanted.threshold
    spans = [
        {"start": relevant.span.start, "end": relevant.span.end, "score": relevant.relevance_score}
        for relevant in ranked.spans
        if relevant.relevance_score >= threshold
    ]
    return spans[: wanted.max_spans if wanted else None]


COHERE_V2 = Dialect("cohere_v2", CohereV2Body, CohereV2Response, "documents", to_job, to_response)
