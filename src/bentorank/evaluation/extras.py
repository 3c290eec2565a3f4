"""Imports what only `bentorank[eval]` installs, and says so where it is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank import installing

if TYPE_CHECKING:
    from types import ModuleType


def import_extra(module: str) -> ModuleType:
    """The optional module. Raises MissingExtraError."""
    return installing.import_extra(module, extra="eval")
