"""Imports what only `bentorank[eval]` installs, and says so where it is missing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bentorank.evaluation.errors import EvaluationError
from bentorank.installing import install_extra

if TYPE_CHECKING:
    from types import ModuleType


def import_extra(module: str) -> ModuleType:
    """The optional module, or an EvaluationError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EvaluationError(f"{module} is not installed: {install_extra('eval')}") from error
