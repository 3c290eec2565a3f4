"""Types of fields that several dialects share, as lenient as published clients need them."""

from __future__ import annotations

from typing import Annotated, Any, cast

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

from bentorank.columns import Documents
from bentorank.errors import InvalidRequestError
from bentorank.types import Document

# For the documentation; that a query is not blank is checked with the other limits.
NOT_BLANK = r"\S"
_WORDS = {"true": True, "false": False}


def _read_word(value: object) -> object:
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value


LenientBool = Annotated[
    bool,
    BeforeValidator(_read_word),
    WithJsonSchema(
        {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"}]}
    ),
]
"""Some clients send their booleans as words."""


def _read_whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one type of number: 2.0 is as whole as 2.
Whole = BeforeValidator(_read_whole)
# Beyond it many parsers of JSON lose digits: RFC 8259, 6.
MAX_INTEGER = 2**53 - 1
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER), Whole]
PositiveInt = Annotated[int, Field(ge=1, le=MAX_INTEGER), Whole]
# vLLM's limit on tokens: -1 is the model's own.
WindowTokens = Annotated[int, Field(ge=-1, le=MAX_INTEGER), Whole]
# vLLM writes it in small letters, TEI with a capital.
TruncationSide = Annotated[str, StringConstraints(pattern="^([Ll]eft|[Rr]ight)$")]
Model = Annotated[str | None, Field(None, description="Any name unless the service takes names strictly.")]
Query = Annotated[
    str,
    Field(
        description="What the documents are to be relevant to. Not blank.",
        json_schema_extra={"minLength": 1, "pattern": NOT_BLANK},
    ),
]
MAX_INSTRUCTION_CHARS = 4000
Instruction = Annotated[str, StringConstraints(max_length=MAX_INSTRUCTION_CHARS)]
INSTRUCTION = (
    "What to look for, told to models whose prompts have an instruction; the service's or the model's own unless set."
    " Others read none, and a warning says so."
)

MAX_MODEL_NAME_CHARS = 200
FirstStageName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MODEL_NAME_CHARS)]
FIRST_STAGE = (
    "What orders the documents cheaply, so that the model reads only the best of them: `embeddings`, the model's own"
    " word embeddings; the name of another model that is served; or `none`. What the service is set to unless set, none"
    " by default."
)
KEEP = (
    "How many documents the model reads after a first stage, and as many as are to be returned at least; what the"
    " service is set to unless set, 50 by default."
)


class CascadeFields(BaseModel):
    """What every API may ask of the service beside its own: a first stage. Documents that it prunes are left out."""

    first_stage: FirstStageName | None = Field(
        None, description=f"Not in the original. {FIRST_STAGE} What is not read is left out of the answer."
    )
    keep: PositiveInt | None = Field(None, description=f"Not in the original. {KEEP}")


def keeps_end(truncated_side: str | None) -> bool:
    """Whether a text that is cut on that side keeps its end."""
    return (truncated_side or "").lower() == "left"


class DocumentBody(BaseModel):
    """A candidate passage as an object; `text` may stand for `content`."""

    model_config = ConfigDict(strict=True, extra="allow")

    content: str | None = Field(None, description="The passage.")
    text: str | None = Field(None, description="The passage, under the name that other APIs use.")
    metadata: dict[str, Any] | None = Field(None, description="Anything; comes back with the result.")

    def sent(self) -> dict[str, Any]:
        """The fields that were sent. Their names are the caller's: data, never attributes."""
        known = {name: value for name, value in self.__dict__.items() if name in self.__pydantic_fields_set__}
        return known | (self.__pydantic_extra__ or {})


def _document_kind(value: object) -> str:
    return "text" if isinstance(value, str) else "object"


DocumentInput = Annotated[
    Annotated[str, Tag("text")] | Annotated[DocumentBody, Tag("object")], Discriminator(_document_kind)
]


# One mistake is told, so the first ends the search: an error takes longer to make than a text to read.
DocumentInputs = Annotated[list[DocumentInput], Field(fail_fast=True)]
Texts = Annotated[list[str], Field(fail_fast=True)]

# More are no fields of one document, and each is looked up in every document.
MAX_RANK_FIELDS = 64
RankFields = Annotated[list[str], Field(fail_fast=True, max_length=MAX_RANK_FIELDS)]


def read_documents(sent: list[str | DocumentBody], field: str, rank_fields: list[str] | None = None) -> Documents:
    """The passages of all documents of a `field`. Raises InvalidRequestError naming the first that has none."""
    if set(map(type, sent)) == {str}:
        return Documents(cast("list[str]", sent))
    read = [_read_document(document, rank_fields, f"{field}[{index}]") for index, document in enumerate(sent)]
    return Documents([document.content for document in read], [document.metadata for document in read])


def _read_document(document: str | DocumentBody, rank_fields: list[str] | None, field: str) -> Document:
    """The passage of a document. Raises InvalidRequestError naming `field` if it has none."""
    if isinstance(document, str):
        return Document(document)
    if rank_fields:
        return Document(_join_fields(document, rank_fields, field), document.metadata)
    content = document.content if document.content is not None else document.text
    if content is None:
        raise _without_text(document, field)
    return Document(content, document.metadata)


def _without_text(document: DocumentBody, field: str) -> InvalidRequestError:
    """Names the field that was sent as null, if one was."""
    null = document.model_fields_set & {"content", "text"}
    name, reason = (min(null), "must be a text, not null") if null else ("content", "is required")
    return InvalidRequestError(f"{field}.{name}: {reason}", field=f"{field}.{name}")


def _join_fields(document: DocumentBody, rank_fields: list[str], field: str) -> str:
    """The values of `rank_fields`, a line each, in that order; a field that is named twice is read once."""
    sent = document.sent()
    values = [sent.get(name) for name in dict.fromkeys(rank_fields)]
    lines = [value if isinstance(value, str) else orjson.dumps(value).decode() for value in values if value is not None]
    if not lines:
        raise InvalidRequestError(f"{field}: has none of the rank_fields", field=field)
    return "\n".join(lines)
