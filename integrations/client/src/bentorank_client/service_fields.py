"""The options as fields of a pydantic model, for the components of frameworks that bring pydantic with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from bentorank_client.api_key import read_api_key
from bentorank_client.arguments import OnDeadline, OnError, OnItemError, Overflow, ScoreMode, TruncationSide
from bentorank_client.base_urls import read_base_urls
from bentorank_client.client import RerankClient, SupportsRerank
from bentorank_client.silent_errors import without_inputs

if TYPE_CHECKING:
    from bentorank_client.arguments import RerankArguments
    from bentorank_client.options import ClientArguments

# What makes a client; the rest is asked of it with each call.
CLIENT_FIELDS = ("timeout_s", "connect_timeout_s", "max_attempts", "max_batch_size", "max_concurrency", "on_error")
ASKED_FIELDS: tuple[str, ...] = (
    "model",
    "instruction",
    "first_stage",
    "keep",
    "top_n",
    "score_threshold",
    "score_mode",
    "overflow",
    "max_tokens_per_doc",
    "max_chunks_per_doc",
    "overlap_tokens",
    "truncation_side",
    "on_deadline",
    "on_item_error",
    "no_cache",
    "no_store",
)


def _checked_urls(urls: str | Sequence[str] | None) -> str | Sequence[str] | None:
    if urls:
        read_base_urls(urls)
    return urls


def _masked(key: object) -> SecretStr | None:
    return None if key is None else SecretStr(read_api_key(key).get_secret_value())


# A text is no SecretStr to a type checker, so both are named; what is kept is masked.
KeyField = Annotated[SecretStr | str | None, BeforeValidator(_masked)]


class ServiceFields(BaseModel):
    """Where the service is, how it is called, and what it is asked for. See ClientOptions and RerankRequest.

    No error of a wrong field, and no repr, holds what was given: it may be a key.
    """

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        validate_assignment=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )

    base_url: Annotated[str | Sequence[str] | None, AfterValidator(_checked_urls)] = None
    """Where the service is; several take turns. Default: BENTORANK_BASE_URL, else http://127.0.0.1:3000."""
    api_key: KeyField = None
    """A text or a SecretStr; kept as a SecretStr. Default: BENTORANK_API_KEY."""
    model: str | None = None
    """Which of the service's models reads, by name or alias; the first unless set. A name that it does not know gets
    the first too, unless the service takes names strictly."""
    instruction: str | None = None
    """What to look for, told to models whose prompts have an instruction; the service's or the model's own unless
    set."""
    first_stage: str | None = Field(default=None, min_length=1)
    """What orders documents cheaply, so that the model reads only the best `keep` of them: `embeddings`, the model's
    own word embeddings, or the name of another model; `none` for none. Unless set, as the service is. What it prunes
    stands last, without a score, marked `rerank_unscored`: `pruned`."""
    keep: int | None = Field(default=None, ge=1)
    """How many documents the model reads after a first stage, `top_n` at least; unless set, as the service is."""
    top_n: int | None = Field(default=None, ge=1)
    """How many documents to keep. None keeps all of them, in order of relevance."""
    score_threshold: float | None = Field(default=None, allow_inf_nan=False)
    """Leave out documents that score lower."""
    score_mode: ScoreMode | None = None
    """`probability` unless set; `logit` is the raw logit, `model` the checkpoint's own activation."""
    overflow: Overflow | None = None
    """What becomes of a document that the model cannot read whole: `truncate` cuts it and marks it
    `rerank_truncated`, `chunk` gives it the score of its best chunk and says in `rerank_span` where that stands,
    `error` refuses. Unless set, as the service is."""
    max_tokens_per_doc: int | None = Field(default=None, ge=0)
    """Read no more of a document than this; 0 is no limit."""
    max_chunks_per_doc: int | None = Field(default=None, ge=1)
    """Read no more chunks of a document than this."""
    overlap_tokens: int | None = Field(default=None, ge=0)
    """What neighbouring chunks share at least."""
    truncation_side: TruncationSide | None = None
    """The end at which a document is cut; `right` unless set."""
    on_deadline: OnDeadline | None = None
    """`partial` returns what was scored by the deadline, and after it the rest, marked `rerank_unscored`; unless set,
    it is an error if something is missing."""
    on_item_error: OnItemError | None = None
    """`skip` puts a document that cannot be scored last, marked `rerank_unscored`; unless set, it is an error."""
    no_cache: bool | None = None
    """Have all documents scored anew, although the service may know the scores of some. False unless set."""
    no_store: bool | None = None
    """Have them scored anew, and these scores not remembered either. False unless set."""
    timeout_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Until the call ends, retries included."""
    connect_timeout_s: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    max_attempts: int = Field(default=3, ge=1)
    max_batch_size: int = Field(default=1000, ge=1)
    """Documents per request; more are split and merged exactly."""
    max_concurrency: int = Field(default=4, ge=1)
    """Requests of one call that are under way at once."""
    on_error: OnError = "raise"
    """`passthrough` goes on with the documents as they came when the service fails, marked `rerank_degraded`."""
    client: SupportsRerank | None = Field(default=None, exclude=True, repr=False)
    """Used in place of a client made from the fields above, such as a LocalReranker."""

    user_agent: ClassVar[str] = ""
    asked_fields: ClassVar[tuple[str, ...]] = ASKED_FIELDS

    _client: SupportsRerank = PrivateAttr()

    @model_validator(mode="after")
    def _make_client(self) -> Self:
        # Also after an assignment. It opens no connection yet.
        self._client = self.client or RerankClient(**self._client_arguments())
        return self

    # Last, so that it stands around the others.
    @model_validator(mode="wrap")
    @classmethod
    def _silent(cls, given: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        return without_inputs(given, read)

    def _client_arguments(self) -> ClientArguments:
        arguments = {name: getattr(self, name) for name in CLIENT_FIELDS}
        arguments |= {"base_url": self.base_url or "", "api_key": self.api_key, "user_agent": self.user_agent}
        return cast("ClientArguments", arguments)

    def _asked(self, of_this_call: RerankArguments | None = None) -> RerankArguments:
        """What a call asks for: its own arguments, else the fields; nothing that is not set."""
        asked = {name: getattr(self, name) for name in self.asked_fields}
        asked |= {name: value for name, value in (of_this_call or {}).items() if value is not None}
        return cast("RerankArguments", {name: value for name, value in asked.items() if value is not None})

    def close(self) -> None:
        """Close idle connections. The component stays usable."""
        if isinstance(self._client, RerankClient):
            self._client.close()

    async def aclose(self) -> None:
        """Close idle connections, the running loop's included."""
        if isinstance(self._client, RerankClient):
            await self._client.aclose()
