"""Whether a request wants remembered scores, as `Cache-Control` says it. Source: RFC 9111, section 5.2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.types import CacheUse

if TYPE_CHECKING:
    from starlette.datastructures import Headers

HEADER = "cache-control"


def cache_use(headers: Headers) -> CacheUse:
    """`no-store`: neither read nor write; `no-cache` or `max-age=0`: write alone. Other directives say nothing here."""
    text = headers.get(HEADER)
    if text is None:
        return CacheUse.USE
    directives = {directive.strip().lower() for directive in text.split(",")}
    if "no-store" in directives:
        return CacheUse.OFF
    return CacheUse.REFRESH if directives & {"no-cache", "max-age=0"} else CacheUse.USE
