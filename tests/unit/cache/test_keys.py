"""What names a score: all that it depends on and nothing else, whatever the texts are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.cache import CacheKey, document_keys
from bentorank.types import LengthPolicy, Overflow, Pair

texts = st.text(st.characters(codec=None), max_size=40)  # halves of surrogate pairs too
policies = st.builds(
    LengthPolicy,
    overflow=st.sampled_from(Overflow),
    max_tokens_per_doc=st.none() | st.integers(1, 12),
    max_chunks_per_doc=st.none() | st.integers(1, 12),
    overlap_tokens=st.integers(0, 12),
    keep_end=st.booleans(),
    cut_query=st.booleans(),
)


def key_of(fingerprint: str, policy: LengthPolicy, query: str, passage: str = "passage") -> CacheKey:
    """The key of one pair."""
    return document_keys(fingerprint, policy, [Pair(query, passage)])[0]


def what_counts(policy: LengthPolicy) -> LengthPolicy:
    """Chunks are cut where passages are split, and nowhere else."""
    if policy.overflow is Overflow.CHUNK:
        return policy
    return replace(policy, max_chunks_per_doc=None, overlap_tokens=0)


class Scored(NamedTuple):
    """All that a score depends on."""

    model: str
    policy: LengthPolicy
    query: str
    passage: str

    @property
    def key(self) -> CacheKey:
        """Its name."""
        return key_of(*self)


scored = st.builds(Scored, texts, policies, texts, texts)


@given(scored, scored)
def test_keys_are_equal_exactly_where_all_that_a_score_depends_on_is(one: Scored, other: Scored) -> None:
    """Any two pairs of any two models."""
    same_query = (one.model, what_counts(one.policy), one.query) == (
        other.model,
        what_counts(other.policy),
        other.query,
    )
    assert (one.key.query == other.key.query) is same_query
    assert (one.key.passage == other.key.passage) is (one.passage == other.passage)
    assert one.key == key_of(*one)


@pytest.mark.parametrize(
    "change",
    [
        {"overflow": Overflow.TRUNCATE},
        {"max_tokens_per_doc": 100},
        {"max_chunks_per_doc": 2},
        {"overlap_tokens": 5},
        {"keep_end": True},
        {"cut_query": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_way_to_read_a_passage_has_its_own_keys(change: dict[str, Any]) -> None:
    """Each field of the policy alone."""
    policy = LengthPolicy(overflow=Overflow.CHUNK)
    assert key_of("model", replace(policy, **change), "query") != key_of("model", policy, "query")


def test_text_cannot_move_between_model_policy_and_query() -> None:
    """What ends one and begins the other is not a matter of reading."""
    policy = LengthPolicy()
    keys = {key_of(model, policy, query).query for model, query in [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")]}
    assert len(keys) == 4


def test_a_list_is_digested_as_its_pairs_are_alone() -> None:
    """Equal passages share their digest under any query, equal queries theirs under any passage."""
    pairs = [Pair("one", "a"), Pair("two", "a"), Pair("one", "b")]
    keys = document_keys("model", LengthPolicy(), pairs)
    assert keys == [key_of("model", LengthPolicy(), *pair) for pair in pairs]
    assert keys[0].passage == keys[1].passage
    assert keys[0].query is keys[2].query
    assert {len(digest) for key in keys for digest in key} == {16}
