"""A published client as a function that reranks through it, and the cases that every one of them must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUERY = "how tall is mount everest"
PASSAGES = (
    "K2 lies on the border of Pakistan and China.",
    "The recipe asks for two eggs and a cup of flour.",
    "Mount Everest rises 8,849 m above sea level.",
)
ANSWER = PASSAGES[2]
BLANK = "   "
# The name that the server gives its model; most clients are happier with the names of their own API.
SERVED_MODEL = "starter"

BLANK_MESSAGE = "must not be blank"
KEY_MESSAGE = "API key is not valid"


class Service(NamedTuple):
    """What a user tells a client about the service."""

    url: str
    key: str


class Raised(NamedTuple):
    """An exception of the client's, by the name of its class, and what a user can read in it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class PublishedClient:
    """A client, and how it reranks: `rerank(service, query, passages, top_n)` gives passages and scores, best first."""

    distribution: str
    rerank: Callable[[Service, str, Sequence[str], int], list[tuple[str, float]]]
    for_blank_query: Raised
    for_wrong_key: Raised
    is_keyless: bool = False  # it has no way to send a key
    has_logits: bool = False  # its scores are not probabilities

    def __str__(self) -> str:
        """Which client, and which of its interfaces."""
        return f"{self.distribution}-{self.rerank.__name__}"


class RerankingCases:
    """For a module's CLIENTS."""

    def test_the_answer_comes_first(self, client: PublishedClient, service: Service) -> None:
        """Every passage comes back once, in the order of its score, the one that answers the question first."""
        ranked = client.rerank(service, QUERY, PASSAGES, len(PASSAGES))
        passages, scores = zip(*ranked, strict=True)
        assert passages[0] == ANSWER
        assert sorted(passages) == sorted(PASSAGES)
        assert list(scores) == sorted(scores, reverse=True)
        assert scores[0] > scores[-1]
        assert client.has_logits or all(0 <= score <= 1 for score in scores)

    def test_top_n_is_obeyed(self, client: PublishedClient, service: Service) -> None:
        """Only as many come back as were asked for, and those are the best."""
        assert [passage for passage, _ in client.rerank(service, QUERY, PASSAGES, 1)] == [ANSWER]

    def test_a_refusal_is_readable(self, client: PublishedClient, service: Service) -> None:
        """A blank query raises the client's own exception, with our message where the client shows one."""
        self._check_raises(client.for_blank_query, client, service, BLANK)

    def test_a_wrong_key_is_the_clients_own_error(self, client: PublishedClient, keyed_service: Service) -> None:
        """Without a good key nothing is ranked, and the client says so in its own terms."""
        service = keyed_service._replace(key="not-the-key-of-the-tests")
        self._check_raises(client.for_wrong_key, client, service, QUERY)

    def _check_raises(self, expected: Raised, client: PublishedClient, service: Service, query: str) -> None:
        with pytest.raises(Exception) as caught:
            client.rerank(service, query, PASSAGES, len(PASSAGES))
        assert type(caught.value).__name__ == expected.name
        assert expected.text in str(caught.value)
