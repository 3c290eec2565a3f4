"""How a client behaves: one frozen object, checked when it is made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar, cast

from bentorank_client.api_key import ApiKey, SupportsSecret, read_api_key
from bentorank_client.arguments import CLIENT_RULES, OnError, Reading, ReadingArguments, check
from bentorank_client.base_urls import read_base_urls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank_client.results import RerankResult

BASE_URL_VARIABLE = "BENTORANK_BASE_URL"
API_KEY_VARIABLE = "BENTORANK_API_KEY"
DEFAULT_BASE_URL = "http://127.0.0.1:3000"

T = TypeVar("T")


class ServiceArguments(ReadingArguments, total=False):
    """The fields of ClientOptions that say how a service is called, wherever it is; a file may hold them."""

    timeout_s: float
    connect_timeout_s: float
    max_attempts: int
    max_batch_size: int
    max_concurrency: int
    on_error: OnError


class ClientArguments(ServiceArguments, total=False):
    """The fields of ClientOptions, as the clients take them."""

    base_url: str | Sequence[str]
    api_key: str | SupportsSecret | None
    on_degraded: Callable[[RerankResult], None] | None
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions(Reading):
    """Everything that a Reranker may be told. Raises ValueError that names the argument."""

    base_url: str | Sequence[str] = ""
    """Where the service is; a path prefix is kept. Of several, each call starts with the next and fails over to others.
    Default: the environment variable BENTORANK_BASE_URL, several separated by commas, else http://127.0.0.1:3000."""
    api_key: str | SupportsSecret | None = None
    """Default: the environment variable BENTORANK_API_KEY; empty sends none. Kept as an ApiKey, which is masked."""
    timeout_s: float = 30.0
    """Until the call ends, attempts and waits included. The service is told, and drops work that nobody waits for."""
    connect_timeout_s: float = 5.0
    max_attempts: int = 3
    max_batch_size: int = 1000
    """Documents per request; longer lists are split, and merged exactly."""
    max_concurrency: int = 4
    """Requests of one call that are under way at once."""
    on_error: OnError = "raise"
    """`passthrough` answers a failed call with the documents as they came, unscored and marked `degraded`."""
    on_degraded: Callable[[RerankResult], None] | None = field(default=None, repr=False)
    user_agent: str = ""
    """Put in front of the client's own."""

    def __post_init__(self) -> None:
        urls = self.base_url or os.environ.get(BASE_URL_VARIABLE, "") or DEFAULT_BASE_URL
        object.__setattr__(self, "base_url", read_base_urls(urls))
        key = os.environ.get(API_KEY_VARIABLE, "") if self.api_key is None else self.api_key
        # Empty rather than None where there is none: a copy must not look for one again.
        object.__setattr__(self, "api_key", read_api_key(key))
        check(self, CLIENT_RULES)
        if self.rank_fields is not None:
            object.__setattr__(self, "rank_fields", tuple(self.rank_fields))

    @property
    def base_urls(self) -> tuple[str, ...]:
        """At least one, without a slash at the end."""
        return tuple(self.base_url)

    @property
    def key(self) -> ApiKey:
        """Which to send; it is false where none is."""
        return cast("ApiKey", self.api_key)

    def as_arguments(self) -> ClientArguments:
        """For another client that shall behave alike."""
        return cast("ClientArguments", {option.name: getattr(self, option.name) for option in fields(self)})


def made_with(kind: Callable[..., T], options: ClientOptions) -> T:
    """A client of this kind that behaves alike; how copies and pickles are restored."""
    return kind(**options.as_arguments())
