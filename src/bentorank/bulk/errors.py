"""Why a bulk job does not start or cannot go on, said so that the person at the terminal can mend it."""

from __future__ import annotations

from bentorank.errors import CommandError

GOES_ON = "what was finished before is kept, and the same command goes on from there"


class BulkError(CommandError):
    """The job cannot go on. The message names the option, file or column at fault; what is finished is kept."""


class DamagedFileError(BulkError):
    """The rest of a file cannot be read."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: is damaged; what could be read before that is ranked and kept")
