"""How to install what is missing, from a package index or from a checkout; and importing what an extra brings."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bentorank.errors import CommandError

if TYPE_CHECKING:
    from types import ModuleType


class MissingExtraError(CommandError):
    """A command needs an optional part that is not installed. The message says how to install it."""


def import_extra(module: str, *, extra: str, why: str | None = None) -> ModuleType:
    """A module that only an optional part of this package brings. Raises MissingExtraError, which may say why."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{why or f'{module} is not installed'}: {install_extra(extra)}") from error


def install_extra(extra: str) -> str:
    """The command that adds an optional part of this package."""
    return install_package(f"'bentorank[{extra}]'", f"-e '.[{extra}]'")


def install_package(package: str, folder: str) -> str:
    """The command that installs a package of ours; `folder` is where it lies in a checkout."""
    return f"pip install {package} (in a checkout: pip install {folder})"
