"""What a first stage is, and what it says of a request's documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from bentorank.errors import NoFirstStageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bentorank.reading import Terms
    from bentorank.types import Usage

# The model's own word embeddings; every other name is that of a served model.
EMBEDDINGS = "embeddings"
# What a request names that wants none, whatever the service is set to.
NO_FIRST_STAGE = "none"

# By word embeddings half of a hundred candidates lose .008 of nDCG@10 on SciFact, and a third .019: docs/cascade.md.
DEFAULT_KEEP = 50


# A core tokenises and compares 130 tokens of prose while the shipped model reads one; words that nobody has seen take
# twice the time.
_TOKENS_BY_WORDS_A_MODEL_TOKEN = 64


def model_tokens(first_stage: str, tokens: int) -> int:
    """How many of a model's tokens cost as much as those that a first stage reads: one of 64 by word embeddings."""
    return tokens // _TOKENS_BY_WORDS_A_MODEL_TOKEN if first_stage == EMBEDDINGS else tokens


def cost_of(usage: Usage) -> int:
    """Model tokens of a whole request, its first stage's included: what a key is charged."""
    stage = usage.first_stage
    if stage is None or stage.name != EMBEDDINGS:
        return usage.tokens  # another model's are among them
    return usage.tokens + model_tokens(stage.name, stage.tokens)


class Sifted(NamedTuple):
    """A score of each document, in their order and on a scale of the stage's own; None of one that it could not score.

    `pairs` and `tokens` are how many it read, `computed_tokens` how many of them took a model.
    """

    scores: list[float | None]
    pairs: int
    tokens: int
    computed_tokens: int = 0


class FirstStage(Protocol):
    """Scores documents much cheaper than the model does."""

    async def sift(self, query: str, passages: Sequence[str], terms: Terms) -> Sifted:
        """Score all passages by the deadline of `terms`.

        Raises DeadlineExceededError, OverloadedError, UnavailableError, InvalidRequestError and DocumentTooLongError.
        """
        ...


class FirstStages:
    """Those that one model may have: its own word embeddings, and the `others` that are served beside it."""

    def __init__(
        self, own: Mapping[str, FirstStage], others: Mapping[str, FirstStage], names: Collection[str] = ()
    ) -> None:
        """`others` may change while it is served; the model itself is among them, by its `names`, and none of its own
        first stages."""
        self._own = own
        self._others = others
        self._names = names

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    @property
    def names(self) -> list[str]:
        """Of all that there are now."""
        return [*self._own, *(name for name in self._others if name not in self._names)]

    def find(self, name: str) -> FirstStage:
        """The stage of that name. Raises NoFirstStageError, which lists those that there are."""
        stage = self._find(name)
        if stage is None:
            known = (
                ", ".join(self.names) or f"none: no other model is served, and this one has no {EMBEDDINGS} of words"
            )
            raise NoFirstStageError(f"first_stage: not served here; there are {known}", field="first_stage")
        return stage

    def _find(self, name: str) -> FirstStage | None:
        return self._own.get(name) or (None if name in self._names else self._others.get(name))
