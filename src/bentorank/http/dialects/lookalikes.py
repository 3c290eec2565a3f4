"""Fields that a dialect does not know but that look like one it does: ignoring `topk` in silence returns too much.

Fields of other APIs are sent on purpose and are no mistakes. The warning names our field, never the caller's.
"""

from __future__ import annotations

import difflib
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

# Longer than any field that it could be mistaken for.
MAX_NAME_CHARS = 40
# Of the unknown fields so many are looked at, in the order of the body.
MAX_LOOKED_AT = 16
# `returndocument` is within it, `maxtokensperquery` is not far outside.
LEAST_SIMILARITY = 0.84

SEPARATORS = re.compile(r"[^a-z0-9]")
SHORT_FORMS = {
    "docs": ("documents", "texts", "passages", "input"),
    "topk": ("topn",),
    "topn": ("topk",),
    "k": ("topk", "topn"),
    "returndocs": ("returndocuments",),
    "scorethresh": ("scorethreshold",),
    "threshold": ("scorethreshold",),
}
# What published clients send to servers that do not know it.
FOREIGN = frozenset(
    {
        "cache_salt",
        "encoding_format",
        "input_type",
        "instruction",
        "kwargs",
        "max_chunks_per_doc",
        "max_tokens_per_doc",
        "max_tokens_per_query",
        "normalize",
        "overlap_tokens",
        "priority",
        "query",
        "rank_fields",
        "raw_scores",
        "request_id",
        "return_documents",
        "return_input",
        "return_len",
        "return_text",
        "rewrite_query",
        "text_1",
        "text_2",
        "truncate",
        "truncate_prompt_tokens",
        "truncation",
        "truncation_direction",
        "truncation_side",
        "user",
    }
)


def unknown_field_warnings(body: Mapping[str, object], model: type[BaseModel]) -> tuple[str, ...]:
    """A sentence for each field of `model` that the body has under a name that is not quite its own."""
    known = names_of(model)
    if body.keys() <= known:
        return ()
    meant = []
    unknown = (name for name in body if name not in known and name not in FOREIGN)
    for name, _ in zip(unknown, range(MAX_LOOKED_AT), strict=False):
        if len(name) <= MAX_NAME_CHARS and (field := _similar(name, known)):
            meant.append(field)
    return tuple(f"an unknown field looks like {field} and was ignored" for field in dict.fromkeys(meant))


@cache
def names_of(model: type[BaseModel]) -> frozenset[str]:
    """Every name under which a body of this model may have a field."""
    names = set()
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        names.update({name} if alias is None else {alias} if isinstance(alias, str) else _choices(alias))
    return frozenset(names)


def _choices(alias: object) -> set[str]:
    return {choice for choice in getattr(alias, "choices", ()) if isinstance(choice, str)}


# A caller sends the same fields again and again, and comparing takes .1 ms.
@lru_cache(maxsize=1024)
def _similar(name: str, known: frozenset[str]) -> str | None:
    """The field that `name` is mistaken for."""
    plain = SEPARATORS.sub("", name.lower())
    fields = {SEPARATORS.sub("", field): field for field in sorted(known)}
    for candidate in (plain, *SHORT_FORMS.get(plain, ())):
        if candidate in fields:
            return fields[candidate]
    close = difflib.get_close_matches(plain, fields, n=1, cutoff=LEAST_SIMILARITY)
    return fields[close[0]] if close else None
