"""The `bentorank` command."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command. Until `Commands.main` begins, Ctrl-C ends it as it ends programs that do not know it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bentorank.cli.app import main as run

    run()
