"""JSON by orjson where it is installed, since a large request takes it microseconds; else by the standard library."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ModuleNotFoundError:
    orjson = None  # type: ignore[assignment]


def encode(value: object) -> bytes:
    """UTF-8. Raises TypeError or ValueError for a lone surrogate and for what JSON does not know."""
    if orjson is not None:
        return orjson.dumps(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def decode(text: bytes) -> Any:  # noqa: ANN401 - whatever was sent
    """Raises ValueError."""
    return json.loads(text) if orjson is None else orjson.loads(text)
