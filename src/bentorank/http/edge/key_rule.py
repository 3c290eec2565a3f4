"""What an API key may look like, wherever it is written down."""

from __future__ import annotations

MIN_KEY_CHARS = 8
KEY_RULE = f"a key has at least {MIN_KEY_CHARS} characters, printable ASCII without spaces, or no header could carry it"


def is_usable_key(key: bytes) -> bool:
    """Whether clients can send this key, and nobody can guess it at once."""
    return len(key) >= MIN_KEY_CHARS and all(0x21 <= character <= 0x7E for character in key)  # noqa: PLR2004 - ASCII
