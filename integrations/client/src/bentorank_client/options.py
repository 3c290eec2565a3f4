"""How a client behaves: one frozen object, checked when it is made."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank_client.results import RerankResult

BASE_URL_VARIABLE = "BENTORANK_BASE_URL"
API_KEY_VARIABLE = "BENTORANK_API_KEY"
DEFAULT_BASE_URL = "http://127.0.0.1:3000"

T = TypeVar("T")

OnError = Literal["raise", "passthrough"]
ScoreMode = Literal["probability", "logit", "model"]


class ClientArguments(TypedDict, total=False):
    """The fields of ClientOptions, as the clients take them."""

    base_url: str | Sequence[str]
    api_key: str | None
    model: str | None
    timeout_s: float
    connect_timeout_s: float
    max_attempts: int
    max_batch_size: int
    max_concurrency: int
    score_mode: ScoreMode | None
    on_error: OnError
    on_degraded: Callable[[RerankResult], None] | None
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Everything that a Reranker may be told. Raises ValueError that names the argument."""

    base_url: str | Sequence[str] = ""
    """Where the service is; a path prefix is kept. Of several, each call starts with the next and fails over to others.
    Default: the environment variable BENTORANK_BASE_URL, several separated by commas, else http://127.0.0.1:3000."""
    api_key: str | None = field(default=None, repr=False)
    """Default: the environment variable BENTORANK_API_KEY; empty sends none."""
    model: str | None = None
    timeout_s: float = 30.0
    """Until the call ends, attempts and waits included. The service is told, and drops work that nobody waits for."""
    connect_timeout_s: float = 5.0
    max_attempts: int = 3
    max_batch_size: int = 1000
    """Documents per request; longer lists are split, and merged exactly."""
    max_concurrency: int = 4
    """Requests of one call that are under way at once."""
    score_mode: ScoreMode | None = None
    on_error: OnError = "raise"
    """`passthrough` answers a failed call with the documents as they came, unscored and marked `degraded`."""
    on_degraded: Callable[[RerankResult], None] | None = field(default=None, repr=False)
    user_agent: str = ""
    """Put in front of the client's own."""

    def __post_init__(self) -> None:
        urls = self.base_url or os.environ.get(BASE_URL_VARIABLE, "") or DEFAULT_BASE_URL
        split = urls.split(",") if isinstance(urls, str) else urls
        object.__setattr__(self, "base_url", tuple(_checked_url(url) for url in split))
        key = os.environ.get(API_KEY_VARIABLE) if self.api_key is None else self.api_key
        # Empty rather than None where there is none: a copy must not look for one again.
        object.__setattr__(self, "api_key", _checked_key(key or ""))
        for name in ("timeout_s", "connect_timeout_s"):
            _require(0 < getattr(self, name) < float("inf"), f"{name}: must be a positive number of seconds")
        for name in ("max_attempts", "max_batch_size", "max_concurrency"):
            value = getattr(self, name)
            _require(isinstance(value, int) and value >= 1, f"{name}: must be a whole number of at least 1")
        _require(self.on_error in ("raise", "passthrough"), "on_error: must be 'raise' or 'passthrough'")

    @property
    def base_urls(self) -> tuple[str, ...]:
        """At least one, without a slash at the end."""
        return tuple(self.base_url)

    def as_arguments(self) -> ClientArguments:
        """For another client that shall behave alike."""
        return cast("ClientArguments", {option.name: getattr(self, option.name) for option in fields(self)})


def made_with(kind: Callable[..., T], options: ClientOptions) -> T:
    """A client of this kind that behaves alike; how copies and pickles are restored."""
    return kind(**options.as_arguments())


def _checked_url(url: str) -> str:
    parts = urlsplit(url.strip())
    # The URL itself may hold a password, so it is not repeated.
    _require(
        parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query and not parts.fragment,
        "base_url: must be like http://host:port or https://host/prefix",
    )
    _require(parts.username is None, "base_url: takes no user name or password; pass api_key")
    return url.strip().rstrip("/")


def _checked_key(key: str) -> str:
    # Anything else cannot stand in a header, and an HTTP library's complaint would quote it.
    _require(
        not key or (key.isascii() and key.isprintable() and key == key.strip()),
        "api_key: must be printable ASCII, unspaced",
    )
    return key


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads like assert
    if not condition:
        raise ValueError(message)
