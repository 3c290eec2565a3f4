"""The native API's request bodies, as pydantic models: what the OpenAPI document says is what is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from bentorank.types import ScoreMode


class DocumentBody(BaseModel):
    """A candidate passage as an object; `text` may stand for `content`."""

    model_config = ConfigDict(strict=True)

    content: str | None = Field(None, description="The passage.")
    text: str | None = Field(None, description="The passage, under the name that other APIs use.")
    metadata: dict[str, Any] | None = Field(None, description="Anything; comes back with the result.")


def _document_kind(value: object) -> str:
    return "text" if isinstance(value, str) else "object"


DocumentInput = Annotated[
    Annotated[str, Tag("text")] | Annotated[DocumentBody, Tag("object")], Discriminator(_document_kind)
]


class RerankBody(BaseModel):
    """One query and the documents to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "query": "how tall is mount everest",
                    "documents": [
                        {"content": "K2 lies on the border of Pakistan and China.", "metadata": {"id": "k2"}},
                        {"content": "Mount Everest rises 8,849 m above sea level.", "metadata": {"id": "everest"}},
                    ],
                    "top_k": 1,
                }
            ]
        },
    )

    query: str = Field(description="What the documents are to be relevant to. Not blank.")
    documents: list[DocumentInput] = Field(min_length=1, description="Texts, or objects with `content`.")
    top_k: int | None = Field(None, ge=1, description="How many results to return; all unless set.")
    top_n: int | None = Field(None, ge=1, description="Another name of `top_k`.")
    score_mode: Literal["probability", "logit", "model"] | None = Field(
        None,
        description="`probability` (default): sigmoid of the logit; `logit`: the raw logit; `model`: the checkpoint's"
        " own activation. The order is the same.",
    )
    score_threshold: float | None = Field(
        None, allow_inf_nan=False, description="Leave out results whose `relevance_score` is lower."
    )
    overflow: Literal["truncate"] | None = Field(
        None, description="What happens to a document longer than the model's window: it is cut, and marked."
    )
    return_documents: bool | None = Field(
        None, description="Whether results carry `content` and `metadata`; true unless set."
    )
    model: str | None = Field(None, description="Accepted for compatibility; the loaded model answers.")
    deadline_ms: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Give up after this many milliseconds."
    )

    @property
    def mode(self) -> ScoreMode:
        """The score mode asked for, or the default."""
        return ScoreMode(self.score_mode) if self.score_mode else ScoreMode.PROBABILITY


class RerankBatchBody(BaseModel):
    """Several rerank requests in one body, answered together."""

    model_config = ConfigDict(strict=True)

    requests: list[RerankBody] = Field(min_length=1, description="Each as in `POST /rerank`.")
