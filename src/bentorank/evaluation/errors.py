"""What can be wrong with an evaluation's inputs, said so that the person at the terminal can mend it."""

from __future__ import annotations

from bentorank.errors import CommandError


class EvaluationError(CommandError):
    """The evaluation cannot go on. The message names the file, line or option at fault."""
