"""What keeps a search from a ranking that could be trusted."""

from __future__ import annotations

from bentorank.errors import CommandError


class SearchError(CommandError):
    """The search cannot go on. The message names the option, limit or place at fault."""
