"""The stages of a request's work, each with its times: what a trace shows, and the sums that an answer tells."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class StageName(StrEnum):
    """What was done. `join` is waiting for what another request reads anyway."""

    FIRST_STAGE = "first_stage"
    CACHE = "cache"
    JOIN = "join"
    TOKENIZE = "tokenize"
    QUEUE = "queue"
    INFERENCE = "inference"


class Stage(NamedTuple):
    """One stretch of time, in seconds on the monotonic clock, and what was dealt with in it, by names of our own."""

    name: StageName
    started: float
    ended: float
    counts: Mapping[str, int]
