"""Where the services are. A URL may hold a password, so no message repeats one."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx2

EXAMPLE = "must be like http://host:port or https://host/prefix"


def read_base_urls(given: object) -> tuple[str, ...]:
    """One URL, several with commas between them, or a list; without slashes at their ends.

    Raises ValueError that names the argument and what is wrong.
    """
    urls = given.split(",") if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else ()
    if not urls or not all(isinstance(url, str) for url in urls):
        raise ValueError(f"base_url: {EXAMPLE}, or a list of such")
    for url in urls:
        if problem := _problem(url.strip()):
            raise ValueError(f"base_url: {problem}")
    return tuple(url.strip().rstrip("/") for url in urls)


def server_of(base_url: str) -> str:
    """Scheme, host and port, for messages: a path may hold a token."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}"


def _problem(url: str) -> str | None:
    """What is wrong with it, if anything."""
    try:
        parts = urlsplit(url)
        has_user = parts.username is not None or parts.password is not None
    except ValueError:
        return EXAMPLE
    if has_user:
        return "takes no user name or password; pass api_key"
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        return EXAMPLE
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        return "the port must be a number from 1 to 65535"
    return None if _is_readable(url) else EXAMPLE


def _is_readable(url: str) -> bool:
    """Whether the HTTP library will take it."""
    if not url.isprintable() or " " in url:
        return False
    try:
        httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        return False
    return True
