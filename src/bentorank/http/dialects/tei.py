"""Text Embeddings Inference: `texts` in, a bare list of index and score out.

Source: router/src/http/types.rs and server.rs of huggingface/text-embeddings-inference 1.9.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from bentorank.columns import Documents
from bentorank.http.dialects.dialect import Answer, Dialect, JobRules, overflow_of
from bentorank.http.dialects.fields import CascadeFields, Count, LenientBool, Query, Texts, TruncationSide, keeps_end
from bentorank.types import RerankJob, ScoreMode

if TYPE_CHECKING:
    from bentorank.types import Ranking


class TeiBody(CascadeFields):
    """One query and the texts to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        title="TEI",
        json_schema_extra={
            "examples": [
                {
                    "query": "how tall is mount everest",
                    "texts": ["K2 lies on the border.", "Mount Everest rises 8,849 m above sea level."],
                    "return_text": True,
                }
            ]
        },
    )

    query: Query
    texts: Texts = Field(min_length=1)
    truncate: LenientBool | None = Field(None, description="`false` refuses a text that does not fit.")
    truncation_direction: TruncationSide | None = Field(
        None, description="The end at which a text that does not fit is cut; `Right` unless set."
    )
    raw_scores: LenientBool | None = Field(None, description="Logits instead of probabilities.")
    return_text: LenientBool | None = None
    top_n: Count | None = Field(None, description="Not in the original: how many results to return; 0 is all.")


class TeiRank(BaseModel):
    """One text in its place."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0)
    score: float
    text: str | None = Field(None, description="Absent unless asked for.")


def to_job(body: TeiBody, rules: JobRules, deadline: float) -> RerankJob:
    """What the body asks for."""
    documents = Documents(body.texts)
    rules.limits.check(body.query, documents, documents_field="texts")
    return RerankJob(
        query=body.query,
        documents=documents,
        top_n=body.top_n or None,
        cascade=rules.cascade(body.first_stage, body.keep, top_n=body.top_n),
        score_mode=ScoreMode.LOGIT if body.raw_scores else ScoreMode.PROBABILITY,
        deadline=deadline,
        length=rules.length(overflow_of(truncates=body.truncate), keep_end=keeps_end(body.truncation_direction)),
    )


def to_response(body: TeiBody, _job: RerankJob, ranking: Ranking, _answer: Answer) -> list[dict[str, Any]]:
    """The answer, best text first."""
    return [
        {"index": ranked.index, "score": ranked.relevance_score}
        | ({"text": body.texts[ranked.index]} if body.return_text else {})
        for ranked in ranking.results
    ]


TEI = Dialect("tei", TeiBody, list[TeiRank], "texts", to_job, to_response)
