"""What an API key may look like, wherever it is written down."""

from __future__ import annotations

MIN_KEY_CHARS = 8
# It can do more, and nobody types it.
MIN_ADMIN_KEY_CHARS = 16


def key_rule(min_chars: int) -> str:
    """What `is_usable_key` wants, in words."""
    return f"a key has at least {min_chars} characters, printable ASCII without spaces, or no header could carry it"


KEY_RULE = key_rule(MIN_KEY_CHARS)


def is_usable_key(key: bytes, min_chars: int = MIN_KEY_CHARS) -> bool:
    """Whether clients can send this key, and nobody can guess it at once."""
    return len(key) >= min_chars and all(0x21 <= character <= 0x7E for character in key)  # noqa: PLR2004 - ASCII
