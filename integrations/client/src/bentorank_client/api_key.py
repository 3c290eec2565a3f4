"""A key that shows itself to nobody who does not ask for it."""

from __future__ import annotations

from typing import Protocol


class SupportsSecret(Protocol):
    """A text behind a mask, such as pydantic's SecretStr."""

    def get_secret_value(self) -> str:
        """The text."""
        ...


class ApiKey:
    """The key of a client's options: masked in any repr, dict or log. Raises ValueError for one that cannot be."""

    __slots__ = ("_value",)

    def __init__(self, key: str | SupportsSecret) -> None:
        value = key if isinstance(key, str) else key.get_secret_value()
        # Anything else cannot stand in a header, and an HTTP library's complaint would quote it.
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise ValueError("api_key: must be printable ASCII, unspaced")
        if value and not value.strip("*"):
            raise ValueError("api_key: these are the asterisks that stand for a key in a dump; give the key itself")
        self._value = value

    def get_secret_value(self) -> str:
        """The key; empty where none is sent."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"ApiKey({'**********' if self._value else ''!r})"


def read_api_key(key: object) -> ApiKey:
    """The key that was given. Raises ValueError for what is none."""
    if isinstance(key, str) or hasattr(key, "get_secret_value"):
        return ApiKey(key)
    raise ValueError("api_key: must be a text, or a secret such as pydantic's SecretStr")
