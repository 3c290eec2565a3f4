"""What a rerank may be asked for, as keyword arguments for type checkers, and what each of them has to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

OnError = Literal["raise", "passthrough"]
Overflow = Literal["truncate", "chunk", "error"]
ScoreMode = Literal["probability", "logit", "model"]
OnDeadline = Literal["error", "partial"]
OnItemError = Literal["error", "skip"]
TruncationSide = Literal["left", "right"]

# What a call names that wants no first stage, whatever client and service are set to; the service's own word.
NO_FIRST_STAGE = "none"

Document: TypeAlias = str | Mapping[str, Any]
"""A text, or a mapping with `content`, `text` or the fields that `rank_fields` names."""

Rule: TypeAlias = tuple[Callable[[Any], bool], str]


class ReadingArguments(TypedDict, total=False):
    """The fields of Reading."""

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
    rank_fields: Sequence[str] | None
    on_deadline: OnDeadline | None
    on_item_error: OnItemError | None
    no_cache: bool | None
    no_store: bool | None


class RerankArguments(ReadingArguments, total=False):
    """What one call may be told: the fields of RerankRequest, but for query and documents."""

    top_n: int | None
    score_threshold: float | None
    timeout_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How documents are read and scored. A client's holds for all its calls; a call's own takes its place.

    A service that does not know an argument ignores it.
    """

    model: str | None = None
    """Which of the service's models reads, by name or alias; the first unless set. A name that it does not know gets
    the first too, unless the service takes names strictly: then it is an error that lists those it has."""
    instruction: str | None = None
    """What to look for, told to models whose prompts have an instruction; the service's or the model's own unless set.
    Others read none, and `warnings` say so."""
    first_stage: str | None = None
    """What orders documents cheaply, so that the model reads only the best `keep` of them: `embeddings`, the model's
    own word embeddings, or the name of another model; `none` for none. Unless set, as the service is. What it prunes
    stands last, in its order, `unscored` and `pruned`."""
    keep: int | None = None
    """How many documents the model reads after a first stage, `top_n` at least; unless set, as the service is. Of a
    list that is split, so many of each part."""
    score_mode: ScoreMode | None = None
    """`probability` unless set; `logit` is the raw logit, `model` the checkpoint's own activation. One order."""
    overflow: Overflow | None = None
    """What becomes of a document that the model cannot read whole: `truncate` cuts it and says so, `chunk` splits it
    and gives it the score of its best chunk, whose `span` is told, `error` refuses. Unless set, as the service is."""
    max_tokens_per_doc: int | None = None
    """Read no more of a document than this; 0 is no limit."""
    max_chunks_per_doc: int | None = None
    """Read no more chunks of a document than this."""
    overlap_tokens: int | None = None
    """What neighbouring chunks share at least."""
    truncation_side: TruncationSide | None = None
    """The end at which a document is cut; `right` unless set."""
    rank_fields: Sequence[str] | None = None
    """The fields of a mapping that are read, a line each, instead of `content` or `text`."""
    on_deadline: OnDeadline | None = None
    """`partial` returns what was scored by the deadline, and after it the rest, `unscored`; unless set, it is an error
    if something is missing."""
    on_item_error: OnItemError | None = None
    """`skip` puts a document that cannot be scored last, `unscored`; unless set, it is an error."""
    no_cache: bool | None = None
    """Have all documents scored anew, although the service may know the scores of some. False unless set."""
    no_store: bool | None = None
    """Have them scored anew, and these scores not remembered either. False unless set."""


# Of JSON that other languages read too.
MOST = 2**53


def _whole(least: int) -> Rule:
    fits = lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST  # noqa: E731
    return fits, f"must be a whole number of at least {least}, and 2**53 at most"


def _one_of(*names: str) -> Rule:
    return lambda value: value in names, f"must be one of {', '.join(names)}"


def is_number(value: object) -> bool:
    """Whether it is a finite one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


TEXT: Rule = (lambda value: isinstance(value, str), "must be a text")
NAME: Rule = (lambda value: isinstance(value, str) and value != "", "must be a name")
YES_OR_NO: Rule = (lambda value: isinstance(value, bool), "must be True or False")
NUMBER: Rule = (is_number, "must be a finite number")
SECONDS: Rule = (lambda value: is_number(value) and value > 0, "must be a positive number of seconds")
NAMES: Rule = (
    lambda value: not isinstance(value, str) and all(isinstance(name, str) for name in value),
    "must be a list of names",
)
COUNT: Rule = _whole(1)

READING_RULES: dict[str, Rule] = {
    "model": TEXT,
    "instruction": TEXT,
    "first_stage": NAME,
    "keep": COUNT,
    "score_mode": _one_of("probability", "logit", "model"),
    "overflow": _one_of("truncate", "chunk", "error"),
    "max_tokens_per_doc": _whole(0),
    "max_chunks_per_doc": COUNT,
    "overlap_tokens": _whole(0),
    "truncation_side": _one_of("left", "right"),
    "rank_fields": NAMES,
    "on_deadline": _one_of("error", "partial"),
    "on_item_error": _one_of("error", "skip"),
    "no_cache": YES_OR_NO,
    "no_store": YES_OR_NO,
}
REQUEST_RULES: dict[str, Rule] = READING_RULES | {"score_threshold": NUMBER, "timeout_s": NUMBER}
CLIENT_RULES: dict[str, Rule] = READING_RULES | {
    "timeout_s": SECONDS,
    "connect_timeout_s": SECONDS,
    "max_attempts": COUNT,
    "max_batch_size": COUNT,
    "max_concurrency": COUNT,
    "on_error": _one_of("raise", "passthrough"),
    "user_agent": TEXT,
}


def check(thing: object, rules: Mapping[str, Rule]) -> None:
    """Raises ValueError that names the field and its rule, never the value."""
    for name, rule in rules.items():
        value = getattr(thing, name)
        if value is not None and not _obeys(value, rule):
            raise ValueError(f"{name}: {rule[1]}")


def _obeys(value: object, rule: Rule) -> bool:
    try:
        return rule[0](value)
    except TypeError:  # such as a number where a list is wanted
        return False
