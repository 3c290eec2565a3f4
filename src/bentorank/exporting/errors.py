"""Why a model is not exported, said so that the person at the terminal can go on."""

from __future__ import annotations

from typing import ClassVar

from bentorank.errors import CommandError


class ExportError(CommandError):
    """The export cannot be made. The message names the option or folder at fault."""


class DisagreementError(ExportError):
    """The exported model would rank otherwise than the original."""

    exit_status: ClassVar[int] = 1
