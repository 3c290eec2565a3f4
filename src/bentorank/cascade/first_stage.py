"""What a first stage is, and what it says of a request's documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from bentorank.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bentorank.reading import Terms

# The model's own word embeddings; every other name is that of a served model.
EMBEDDINGS = "embeddings"
# What a request names that wants none, whatever the service is set to.
NO_FIRST_STAGE = "none"

# Of a hundred candidates the model's ten best are rarely among those that a first stage puts in the second half.
DEFAULT_KEEP = 50


class Sifted(NamedTuple):
    """A score of each document, in their order and on a scale of the stage's own; None of one that it could not score.

    `tokens` is how many it read, `device_tokens` how many of them a model did.
    """

    scores: list[float | None]
    tokens: int
    device_tokens: int = 0


class FirstStage(Protocol):
    """Scores documents much cheaper than the model does."""

    async def sift(self, query: str, passages: Sequence[str], terms: Terms) -> Sifted:
        """Score all passages by the deadline of `terms`.

        Raises DeadlineExceededError, OverloadedError, UnavailableError, InvalidRequestError and DocumentTooLongError.
        """
        ...


def find_stage(stages: Mapping[str, FirstStage], name: str) -> FirstStage:
    """The stage of that name. Raises InvalidRequestError, which lists those that there are."""
    stage = stages.get(name)
    if stage is None:
        known = f"one of {', '.join(sorted(stages))}" if stages else "none: this model has no word embeddings to go by"
        raise InvalidRequestError(f"first_stage: unknown; there is {known}", field="first_stage")
    return stage
