"""Which methods a path takes: HEAD wherever GET is, OPTIONS everywhere, and 405 for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from bentorank.errors import MethodNotAllowedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import Scope


def check_method(scope: Scope, handled: Collection[str]) -> None:
    """Raises MethodNotAllowedError unless the request's method is one of those that are answered."""
    if scope["method"] not in (allowed := _answered(handled)):
        raise MethodNotAllowedError(allowed)


def as_handled(scope: Scope) -> Scope:
    """The scope for the application: HEAD is GET there, and the server leaves out the body."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def options_response(handled: Collection[str]) -> Response:
    """The answer to OPTIONS."""
    return Response(status_code=204, headers={"allow": ", ".join(_answered(handled))})


def _answered(handled: Collection[str]) -> tuple[str, ...]:
    return (*sorted(handled), *(("HEAD",) if "GET" in handled else ()), "OPTIONS")
