"""Why a bulk job does not start or cannot go on, said so that the person at the terminal can mend it."""

from __future__ import annotations


class BulkError(Exception):
    """The job cannot go on. The message names the option, file or column at fault; what is finished is kept."""
