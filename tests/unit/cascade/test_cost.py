"""What a request costs a key, its first stage included."""

import pytest

from bentorank.cascade.first_stage import EMBEDDINGS, cost_of
from bentorank.types import FirstStageUsage, Usage


@pytest.mark.parametrize(
    ("stage", "cost"),
    [
        (None, 500),
        (FirstStageUsage(EMBEDDINGS, pairs=100, tokens=64_000, pruned_documents=70), 1500),
        # Its tokens are among the request's.
        (FirstStageUsage("small", pairs=100, tokens=400, pruned_documents=70), 500),
    ],
)
def test_64_tokens_by_words_cost_as_much_as_one_of_a_model(stage, cost):
    """They take CPU alone, and little of it."""
    assert cost_of(Usage(500, 100, 0, 0, stage)) == cost
