"""The native API's request bodies, as pydantic models: what the OpenAPI document says is what is checked.

They take the fields of Cohere v1, Jina, vLLM, Xinference, SiliconFlow and llama.cpp too, under those APIs' names.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from bentorank.http.dialects.fields import (
    FIRST_STAGE,
    INSTRUCTION,
    KEEP,
    Count,
    DocumentInputs,
    FirstStageName,
    Instruction,
    LenientBool,
    PositiveInt,
    Query,
    RankFields,
    TruncationSide,
    WindowTokens,
)
from bentorank.types import ScoreMode


class RerankBody(BaseModel):
    """One query and the documents to order by their relevance to it."""

    model_config = ConfigDict(
        strict=True,
        title="Native",
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

    query: Query
    documents: DocumentInputs = Field(min_length=1, description="Texts, or objects with `content`.")
    rank_fields: RankFields | None = Field(
        None, description="The fields of a document that are read, a line each, instead of `content`."
    )
    top_k: PositiveInt | None = Field(None, description="How many results to return; all unless set.")
    top_n: Count | None = Field(None, description="Another name of `top_k`; 0 is all.")
    instruction: Instruction | None = Field(None, description=INSTRUCTION)
    first_stage: FirstStageName | None = Field(
        None, description=f"{FIRST_STAGE} What is not read stands last, marked by `pruned`."
    )
    keep: PositiveInt | None = Field(None, description=KEEP)
    score_mode: Literal["probability", "logit", "model"] | None = Field(
        None,
        description="`probability` (default): sigmoid of the logit; `logit`: the raw logit; `model`: the checkpoint's"
        " own activation. The order is the same.",
    )
    raw_scores: LenientBool | None = Field(None, description="`true` is `score_mode: logit`.")
    use_activation: LenientBool | None = Field(None, description="`false` is `score_mode: logit`.")
    score_threshold: float | None = Field(
        None, allow_inf_nan=False, description="Leave out results whose `relevance_score` is lower."
    )
    overflow: Literal["truncate", "chunk", "error"] | None = Field(
        None,
        description="What happens to a document that does not fit into the model's window beside the query. `truncate`:"
        " it is cut, and marked; `chunk`: it is split and has the score of its best chunk; `error`: the request is"
        " refused. Unless set: `chunk` if `max_chunks_per_doc` is, else what the service is set to, `truncate` by"
        " default.",
    )
    max_tokens_per_doc: Count | None = Field(None, description="Cut every document to so many tokens; 0 is no limit.")
    max_chunks_per_doc: PositiveInt | None = Field(None, description="Read no more chunks of a document than this.")
    overlap_tokens: Count | None = Field(
        None, description="Least number of tokens that neighbouring chunks share; 32 unless set, half a chunk at most."
    )
    truncate_prompt_tokens: WindowTokens | None = Field(
        None,
        description="vLLM's name of `max_tokens_per_doc`, where the smaller of both counts; -1 is what fits."
        " Unless `overflow` or `max_chunks_per_doc` is set, what does not fit is cut.",
    )
    truncation_side: TruncationSide | None = Field(
        None, description="The end at which a document is cut; `right` unless set."
    )
    return_documents: LenientBool | None = Field(
        None,
        description="Whether the documents come back, which they do unless this is false: on `/rerank` as `content` and"
        " `metadata`, and when this is true as `document` too; elsewhere as `document`.",
    )
    on_deadline: Literal["error", "partial"] | None = Field(
        None,
        description="What happens when the deadline passes before every document has a score. `error` (default): 504;"
        " `partial`: the documents that have one are ranked, the others stand after them as they were sent, marked by"
        " `unscored`. Documents are scored about in their order then, so that the retriever's first ones come first.",
    )
    on_item_error: Literal["error", "skip"] | None = Field(
        None,
        description="What happens when the model cannot score a document. `error` (default): the request fails;"
        " `skip`: the others are ranked, and it stands after them, marked by `unscored`.",
    )
    model: str | None = Field(None, description="Any name unless the service takes names strictly.")
    deadline_ms: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Give up after this many milliseconds."
    )

    @property
    def mode(self) -> ScoreMode:
        """The score mode asked for, or the default."""
        if self.score_mode:
            return ScoreMode(self.score_mode)
        return ScoreMode.LOGIT if self.raw_scores or self.use_activation is False else ScoreMode.PROBABILITY


class SupersetBody(RerankBody):
    """The same under the other paths, as Cohere v1, Jina, vLLM, Xinference, SiliconFlow and llama.cpp write it."""

    model_config = ConfigDict(
        strict=True,
        title="Cohere v1, Jina, vLLM, Xinference",
        json_schema_extra={
            "examples": [
                {
                    "model": "starter",
                    "query": "how tall is mount everest",
                    "documents": ["K2 lies on the border.", "Mount Everest rises 8,849 m above sea level."],
                    "top_n": 1,
                    "return_documents": True,
                }
            ]
        },
    )


BATCH_EXAMPLE: list[JsonValue] = [
    {"query": "highest mountain", "documents": ["Mount Everest", "Lake Baikal"], "top_k": 1},
    {"query": "deepest lake", "documents": ["Mount Everest", "Lake Baikal"], "top_k": 1},
]


class RerankListBody(RootModel[list[RerankBody]]):
    """Several rerank requests as a bare list, answered by a list."""

    model_config = ConfigDict(strict=True, title="List", json_schema_extra={"minItems": 1, "examples": [BATCH_EXAMPLE]})


class RerankBatchBody(BaseModel):
    """Several rerank requests in one body, answered together."""

    model_config = ConfigDict(
        strict=True,
        title="Batch",
        json_schema_extra={"examples": [{"requests": BATCH_EXAMPLE}]},
    )

    requests: list[RerankBody] = Field(min_length=1, description="Each as in `POST /rerank`.")
