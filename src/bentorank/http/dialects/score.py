"""vLLM's `/score`: a score for each pair of texts, in their order.

Source: vllm/entrypoints/pooling/score/protocol.py of vLLM 0.33.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from bentorank.errors import InvalidRequestError
from bentorank.http.dialects.dialect import TokenUsage, token_usage
from bentorank.http.dialects.fields import NOT_BLANK, LenientBool, Model, Texts, TruncationSide, WindowTokens
from bentorank.types import Pair

if TYPE_CHECKING:
    from bentorank.http.dialects.dialect import Answer

QUERIES = ("queries", "text_1", "data_1")
DOCUMENTS = ("documents", "items", "text_2", "data_2")
ScoreTexts = str | Texts
EXAMPLE = {
    "model": "starter",
    "text_1": "how tall is mount everest",
    "text_2": ["K2 lies on the border.", "Mount Everest rises 8,849 m above sea level."],
}


def _name_every_alias(schema: dict[str, Any]) -> None:
    """Pydantic documents the first name of a field alone, and cannot say that one of several must be there."""
    query = {"type": "string", "minLength": 1, "pattern": NOT_BLANK}
    for names, text in ((QUERIES, query), (DOCUMENTS, {"type": "string"})):
        described = schema["properties"].pop(names[0])["description"]
        many = {"type": "array", "minItems": 1, "items": text}
        for name in names:
            schema["properties"][name] = {"anyOf": [text | {"minLength": 1}, many], "description": described}
    schema["allOf"] = [{"oneOf": [{"required": [name]} for name in names]} for names in (QUERIES, DOCUMENTS)]
    schema["examples"] = [EXAMPLE]


class ScoreBody(BaseModel):
    """One text with one or many, or as many with as many."""

    model_config = ConfigDict(
        strict=True,
        title="vLLM score",
        json_schema_extra=_name_every_alias,
    )

    model: Model = None
    queries: ScoreTexts | None = Field(
        None, validation_alias=AliasChoices(*QUERIES), description="Or `text_1`, `data_1`."
    )
    documents: ScoreTexts | None = Field(
        None, validation_alias=AliasChoices(*DOCUMENTS), description="Or `items`, `text_2`, `data_2`."
    )
    truncate_prompt_tokens: WindowTokens | None = Field(
        None,
        description="Cut documents to so many tokens; -1 to what fits. Unless set, what does not is refused.",
    )
    truncation_side: TruncationSide | None = Field(
        None, description="The end at which a document is cut; `right` unless set."
    )
    use_activation: LenientBool | None = Field(None, description="`false` gives logits instead of probabilities.")


class PairScore(BaseModel):
    """The score of one pair."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0)
    object: Literal["score"]
    score: float


class ScoreResponse(BaseModel):
    """The scores, in the order of the pairs."""

    model_config = ConfigDict(extra="forbid")

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[PairScore]
    usage: TokenUsage


def to_pairs(body: ScoreBody) -> list[Pair]:
    """The pairs. Raises InvalidRequestError where the two sides do not match."""
    queries, documents = _texts(body.queries, "queries"), _texts(body.documents, "documents")
    if len(queries) == 1:
        queries *= len(documents)
    if len(queries) != len(documents):
        raise InvalidRequestError(
            f"documents: {len(documents)} for {len(queries)} queries; send one query, or as many as documents",
            field="documents",
        )
    return [Pair(query, document) for query, document in zip(queries, documents, strict=True)]


def _texts(texts: ScoreTexts | None, field: str) -> list[str]:
    if texts is None:
        raise InvalidRequestError(f"{field}: is required", field=field)
    if not texts:
        raise InvalidRequestError(f"{field}: must hold at least 1 item", field=field)
    return [texts] if isinstance(texts, str) else texts


def to_response(scores: list[float], tokens: int, answer: Answer) -> dict[str, Any]:
    """The answer."""
    return {
        "id": f"score-{answer.id}",
        "object": "list",
        "created": answer.created,
        "model": answer.model,
        "data": [{"index": index, "object": "score", "score": score} for index, score in enumerate(scores)],
        "usage": token_usage(tokens),
    }
