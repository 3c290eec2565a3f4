"""The ranker component: retrieved documents in, the most relevant ones out, best first."""

# Haystack reads the annotations of `run` when the class is made, so they are not postponed here.
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any, TypedDict, Unpack, cast, get_type_hints

from bentorank_client import (
    ClientOptions,
    RankedDocument,
    RerankArguments,
    RerankClient,
    RerankResult,
    SupportsRerank,
)
from bentorank_client.arguments import OnDeadline, OnItemError, Overflow, ScoreMode, TruncationSide
from bentorank_client.options import ServiceArguments
from bentorank_client.results import NOTE_KEYS
from haystack import Document, component, default_from_dict, default_to_dict
from haystack.utils import Secret, deserialize_secrets_inplace

USER_AGENT = f"bentorank-haystack/{version('bentorank-haystack')}"


class RunArguments(TypedDict, total=False):
    """What a run may be told beside `top_k` and `score_threshold`; see bentorank_client.RerankRequest."""

    model: str | None
    instruction: str | None
    first_stage: str | None
    keep: int | None
    score_mode: ScoreMode | None
    overflow: Overflow | None
    max_tokens_per_doc: int | None
    max_chunks_per_doc: int | None
    overlap_tokens: int | None
    truncation_side: TruncationSide | None
    timeout_s: float | None
    on_deadline: OnDeadline | None
    on_item_error: OnItemError | None
    no_cache: bool | None
    no_store: bool | None


INPUT_TYPES = get_type_hints(RunArguments)
# What is asked of a client with each call; the others make the client.
ASKED_OPTIONS = INPUT_TYPES.keys() - {"timeout_s"}


@component
class BentoRanker:
    """Ranks documents with a bentorank service, or in this process with `client=LocalReranker(…)`.

    Documents come back as copies with their `score`, and in `meta` with `rerank_truncated`, `rerank_span`,
    `rerank_unscored`, `rerank_warnings` or `rerank_degraded` where there is such a thing to say; those given are not
    touched. Raises bentorank_client.RerankError when the service fails, unless `on_error="passthrough"`, and ValueError
    for an argument that cannot be.
    """

    def __init__(  # noqa: PLR0913 - each is one option, as Haystack has it
        self,
        *,
        base_url: str | list[str] | None = None,
        api_key: Secret | str | None = Secret.from_env_var("BENTORANK_API_KEY", strict=False),  # noqa: B008 - immutable
        top_k: int | None = None,
        score_threshold: float | None = None,
        meta_fields_to_embed: list[str] | None = None,
        meta_data_separator: str = "\n",
        client: SupportsRerank | None = None,
        **options: Unpack[ServiceArguments],
    ) -> None:
        """Without `base_url`, the service is where BENTORANK_BASE_URL says, else at http://127.0.0.1:3000.

        A text as `api_key` is kept as a Secret, and Haystack serialises those from environment variables alone.
        `top_k=None` returns all documents. `meta_fields_to_embed` are read before the content. `client` is used in
        place of one made from the other arguments, and is not serialised. `options` are fields of
        bentorank_client.ClientOptions, such as `overflow`, `timeout_s` and `on_error`.
        """
        _check_top_k(top_k)
        self.base_url = base_url
        self.api_key = _as_secret(api_key)
        self.top_k = top_k
        self.score_threshold = score_threshold
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.meta_data_separator = meta_data_separator
        self.options = options
        self.client = client
        key = (self.api_key.resolve_value() or "") if self.api_key else ""
        made_of = ClientOptions(base_url=base_url or "", api_key=key, user_agent=USER_AGENT, **options)
        # It opens no connection yet.
        self._client: SupportsRerank = client or RerankClient(**made_of.as_arguments())
        for name, kind in INPUT_TYPES.items():
            component.set_input_type(self, name, kind, None)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        **asked: Unpack[RunArguments],
    ) -> dict[str, Any]:
        """The most relevant documents, best first; what is given here takes the place of the component's own.

        `asked` are inputs of the component too, and its options of the same names: see RunArguments. `meta` says what
        it cost, where the time went, and what went wrong.
        """
        wanted = self._asked(asked, top_n=top_k, score_threshold=score_threshold)
        return _answer(documents, self._client.rerank(query, self._texts(documents), **wanted))

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        **asked: Unpack[RunArguments],
    ) -> dict[str, Any]:
        """As `run`, without blocking the event loop."""
        wanted = self._asked(asked, top_n=top_k, score_threshold=score_threshold)
        return _answer(documents, await self._client.arerank(query, self._texts(documents), **wanted))

    def close(self) -> None:
        """Close idle connections. The component stays usable."""
        if isinstance(self._client, RerankClient):
            self._client.close()

    async def close_async(self) -> None:
        """Close idle connections, the running loop's included."""
        if isinstance(self._client, RerankClient):
            await self._client.aclose()

    def to_dict(self) -> dict[str, Any]:
        """For a pipeline's file; the key by the name of its variable alone."""
        return default_to_dict(
            self,
            base_url=self.base_url,
            api_key=self.api_key.to_dict() if self.api_key else None,
            top_k=self.top_k,
            score_threshold=self.score_threshold,
            meta_fields_to_embed=self.meta_fields_to_embed,
            meta_data_separator=self.meta_data_separator,
            **self.options,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BentoRanker":
        """From what `to_dict` gave."""
        if isinstance(data["init_parameters"].get("api_key"), dict):
            deserialize_secrets_inplace(data["init_parameters"], keys=["api_key"])
        ranker: BentoRanker = default_from_dict(cls, data)
        return ranker

    def _asked(self, of_this_run: RunArguments, *, top_n: int | None, score_threshold: float | None) -> RerankArguments:
        """What a call asks for: its own arguments, else the component's; nothing that is not set."""
        _check_top_k(top_n)
        if unknown := of_this_run.keys() - INPUT_TYPES.keys():
            raise TypeError(f"run: there is no argument {min(unknown)}")
        own: dict[str, object] = {"top_n": self.top_k, "score_threshold": self.score_threshold}
        own |= {name: value for name, value in self.options.items() if name in ASKED_OPTIONS}
        given: dict[str, object] = {"top_n": top_n, "score_threshold": score_threshold} | of_this_run
        own |= {name: value for name, value in given.items() if value is not None}
        return cast("RerankArguments", {name: value for name, value in own.items() if value is not None})

    def _texts(self, documents: list[Document]) -> list[str]:
        return [self._text(document) for document in documents]

    def _text(self, document: Document) -> str:
        fields = [str(document.meta[name]) for name in self.meta_fields_to_embed if document.meta.get(name) is not None]
        return self.meta_data_separator.join([*fields, document.content or ""])


def _answer(documents: list[Document], result: RerankResult) -> dict[str, Any]:
    meta = {
        "model": result.model,
        "request_id": result.request_id,
        "usage": asdict(result.usage),
        "timings_ms": asdict(result.timings_ms) if result.timings_ms else None,
        "warnings": list(result.warnings),
        "degraded": result.degraded,
        "degraded_reason": result.degraded_reason,
    }
    return {"documents": [_ranked(documents[ranked.index], ranked, result) for ranked in result], "meta": meta}


def _ranked(document: Document, ranked: RankedDocument, result: RerankResult) -> Document:
    """A copy; where the service failed with the score that it came with, else with its new one."""
    # An earlier reranker's notes would pass for this one's.
    kept = {name: value for name, value in document.meta.items() if name not in NOTE_KEYS}
    score = document.score if result.degraded else ranked.score
    return replace(document, meta=kept | result.notes(ranked), score=score)


def _as_secret(key: Secret | str | None) -> Secret | None:
    if not key:
        return None
    if not isinstance(key, Secret | str):
        raise ValueError("api_key: must be a text or a Secret")  # noqa: TRY004 - like all bad arguments
    return Secret.from_token(key) if isinstance(key, str) else key


def _check_top_k(top_k: int | None) -> None:
    if top_k is not None and top_k < 1:
        raise ValueError("top_k: must be at least 1, or None for all")
