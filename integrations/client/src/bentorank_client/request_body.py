"""The body of `POST /rerank`, as the native API takes it: what was asked for, and texts that JSON can carry. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from bentorank_client.arguments import NO_FIRST_STAGE, READING_RULES
from bentorank_client.json_text import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank_client.arguments import Document
    from bentorank_client.results import RerankRequest

# Halves of characters, which a text has that was cut between two UTF-16 units; UTF-8 has no way to write them.
LONE_SURROGATES = re.compile("[\ud800-\udfff]")
NAMED_DOCUMENTS = 5
# The others are a header.
READING_FIELDS = tuple(name for name in READING_RULES if name not in {"no_cache", "no_store"})

Json: TypeAlias = Any


class RequestBody(NamedTuple):
    """What is sent, and what had to be changed for it."""

    content: bytes
    warnings: tuple[str, ...] = ()


def request_body(request: RerankRequest, first: int = 0) -> RequestBody:
    """What `request` asks for; its documents are the caller's from number `first` on.

    Documents do not come back, the caller has them; of a mapping only what is read is sent. Raises ValueError that
    names the document.
    """
    wanted = {
        "query": request.query,
        "documents": _readable(request.documents, request.rank_fields, first),
        "top_n": request.top_n,
        "score_threshold": request.score_threshold,
        **{name: getattr(request, name) for name in READING_FIELDS},
        "rank_fields": list(request.rank_fields or ()) or None,
        "return_documents": False,
    }
    if request.first_stage == NO_FIRST_STAGE:
        wanted["keep"] = None  # the client's, of a call that wants no first stage: the service refuses it without one
    body = {name: value for name, value in wanted.items() if value is not None}
    try:
        return RequestBody(encode(body))
    except (TypeError, ValueError):
        return RequestBody(encode(_without_lone_surrogates(body)), _surrogate_warnings(body, first))


def _readable(documents: Sequence[Document], rank_fields: Sequence[str] | None, first: int) -> list[Json]:
    """Texts as they are; of mappings the text, or the fields that are read."""
    if set(map(type, documents)) <= {str}:
        return list(documents)
    return [
        str(document) if isinstance(document, str) else _fields_of(document, rank_fields, f"documents[{number}]")
        for number, document in enumerate(documents, first)
    ]


def _fields_of(document: object, rank_fields: Sequence[str] | None, name: str) -> Json:
    if not isinstance(document, Mapping):
        raise ValueError(f"{name}: must be a text or a mapping")  # noqa: TRY004 - like all bad arguments
    if not rank_fields:
        text = document.get("text") if document.get("content") is None else document["content"]
        if not isinstance(text, str):
            raise ValueError(
                f"{name}: must have a text as `content` or `text`, or else rank_fields must name what is read"
            )
        return text
    found = {field: document[field] for field in rank_fields if document.get(field) is not None}
    if not found:
        raise ValueError(f"{name}: has none of the rank_fields")
    for field, value in found.items():
        _check_json(value, f"{name}.{field}")
    return found


def _check_json(value: object, name: str) -> None:
    if isinstance(value, str):
        return
    try:
        json.dumps(value, allow_nan=False)  # orjson would write NaN as null
        encode(_without_lone_surrogates(value))
    except (TypeError, ValueError, RecursionError):  # ValueError: NaN, an infinity, or a circle
        raise ValueError(f"{name}: must be a value that JSON can write, which NaN is not") from None


def _without_lone_surrogates(value: Json) -> Json:
    """The same with U+FFFD for each, so that a span still says where in the caller's text it stands."""
    match value:
        case str():
            return LONE_SURROGATES.sub("\ufffd", value)
        case Mapping():
            return {_without_lone_surrogates(name): _without_lone_surrogates(kept) for name, kept in value.items()}
        case list() | tuple():
            return [_without_lone_surrogates(item) for item in value]
        case _:
            return value


def _surrogate_warnings(body: dict[str, Json], first: int) -> tuple[str, ...]:
    """Names what was changed: a few, and the count of the rest."""
    changed = ["query"] if _has_lone_surrogate(body["query"]) else []
    changed += [
        f"documents[{number}]"
        for number, document in enumerate(body["documents"], first)
        if _has_lone_surrogate(document)
    ]
    if not changed:  # in a model's or a field's name
        return ()
    more = f" and {len(changed) - NAMED_DOCUMENTS} more" if len(changed) > NAMED_DOCUMENTS else ""
    return (f"{', '.join(changed[:NAMED_DOCUMENTS])}{more}: lone surrogates are no characters and were sent as U+FFFD",)


def _has_lone_surrogate(value: Json) -> bool:
    return bool(value != _without_lone_surrogates(value))
