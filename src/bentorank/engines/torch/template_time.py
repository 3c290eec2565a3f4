"""A time for rendering a model's template, which is a program of its author's: a loop in it would never end."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Rendering takes less than a millisecond; compiling a long template some tenths of a second, the first time.
RENDERED_WITHIN_S = 10.0
# What is compiled from a text has no file: Jinja calls a template's `<template>`.
_NO_FILE: Final = "<"


@contextmanager
def in_template_time() -> Iterator[None]:
    """Raises TimeoutError in this thread once it is over, at the next line of a template or call of a function.

    Python ends no other thread, so that this one must notice by itself.
    """
    end = time.monotonic() + RENDERED_WITHIN_S

    def look(frame: FrameType, _event: str, _argument: object) -> Any:  # noqa: ANN401 - a trace function gives itself
        if time.monotonic() > end:
            raise TimeoutError
        return look if frame.f_code.co_filename.startswith(_NO_FILE) else None

    before = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(before)
