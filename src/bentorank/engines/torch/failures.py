"""What an error of torch or of a model says, in one line: traces and advice follow below it."""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """Of its message."""
    return str(error).strip().partition("\n")[0]


def described(error: Exception) -> str:
    """Its class, and the first line."""
    return f"{type(error).__name__}: {first_line(error)}"
