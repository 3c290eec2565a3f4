"""The client library, set up so that no call lasts: short timeouts, no retries, a bounded pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from bentorank.errors import ConfigurationError
from bentorank.installing import install_extra

if TYPE_CHECKING:
    from redis.asyncio import Redis

    Client: TypeAlias = Redis

CALL_TIMEOUT_S = 0.05
# For connections that are made ahead: TLS with a server far away takes longer than a call may.
CONNECT_TIMEOUT_S = 1.0


def check_url(url: str) -> None:
    """Raises ConfigurationError, without the URL, if the library is missing or cannot use it."""
    try:
        from redis.asyncio import ConnectionPool  # noqa: PLC0415 - an optional package
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"a score cache in Redis needs the package redis: {install_extra('redis')}; or unset BENTORANK_CACHE_URL"
        ) from None
    try:
        ConnectionPool.from_url(url)
    except ValueError:
        raise ConfigurationError(
            "BENTORANK_CACHE_URL, or its file: no address of Redis, such as redis://host:6379/0, rediss://… or unix://…"
        ) from None


def make_client(url: str, max_connections: int) -> Client:
    """A client for one event loop; it connects when it is first used."""
    from redis.asyncio import ConnectionPool, Redis  # noqa: PLC0415 - an optional package
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    pool = ConnectionPool.from_url(
        url,
        max_connections=max_connections,
        socket_timeout=CONNECT_TIMEOUT_S,  # calls are given up sooner, by who makes them
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        protocol=2,  # one round trip less to connect, and every server speaks it
    )
    return Redis.from_pool(pool)
