"""Which of a server's error replies say that it cannot serve us at all."""

from __future__ import annotations

from typing import Any

# Somebody else's key of our name: the next one may be ours.
_ABOUT_ONE_KEY = "WRONGTYPE"


def raise_if_unable(replies: list[Any]) -> list[Any]:
    """The replies, unless one is an error about more than its key: no password, no right, a cluster, still loading."""
    for reply in replies:
        if isinstance(reply, Exception) and not str(reply).startswith(_ABOUT_ONE_KEY):
            raise reply
    return replies
