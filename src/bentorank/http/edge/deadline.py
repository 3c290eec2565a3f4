"""By when a request wants its answer: the smallest of the server's cap, the headers and the body's `deadline_ms`."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

from bentorank.errors import InvalidRequestError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

TIMEOUT_HEADER = "x-request-timeout"
GRPC_TIMEOUT_HEADER = "grpc-timeout"

# Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Timeout".
GRPC_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
GRPC_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
DECIMAL_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def deadline_of(headers: Headers, deadline_ms: float | None, *, began: float, cap_s: float) -> float:
    """The time on the monotonic clock, in seconds, by which the request wants its answer.

    The caller's own time runs since the request `began`, as the caller's clock does; the server's cap from now on, when
    the body has come. Raises InvalidRequestError for a header that is not a positive duration.
    """
    candidates_s: list[float] = []
    if deadline_ms is not None:
        candidates_s.append(deadline_ms / 1e3)
    if (text := headers.get(TIMEOUT_HEADER)) is not None:
        candidates_s.append(parse_seconds(text))
    if (text := headers.get(GRPC_TIMEOUT_HEADER)) is not None:
        candidates_s.append(parse_grpc_timeout(text))
    return min(time.monotonic() + cap_s, began + min(candidates_s, default=math.inf))


def parse_seconds(text: str) -> float:
    """Positive decimal seconds, as `X-Request-Timeout` carries them."""
    seconds = float(text) if DECIMAL_SECONDS.fullmatch(text) else math.nan
    if not seconds > 0:
        raise InvalidRequestError(
            "X-Request-Timeout: must be a positive number of seconds such as 2.5", field="X-Request-Timeout"
        )
    return seconds


def parse_grpc_timeout(text: str) -> float:
    """Seconds in a `grpc-timeout` such as `250m`."""
    match = GRPC_TIMEOUT.fullmatch(text)
    seconds = int(match[1]) * GRPC_UNITS_S[match[2]] if match else math.nan
    if not seconds > 0:
        raise InvalidRequestError(
            "grpc-timeout: must be 1 to 8 digits and a unit (H, M, S, m, u or n), more than 0", field="grpc-timeout"
        )
    return seconds
