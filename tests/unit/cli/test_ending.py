"""How commands end that cannot go on: one line, one status, in one place."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import typer
from typer.testing import CliRunner

from bentorank.cli.ending import Commands
from bentorank.errors import CommandError, ConfigurationError

COMMAND = """
import tempfile, time, typer
from bentorank.cli.ending import Commands
app = typer.Typer(cls=Commands)
@app.callback()
def main(): pass
@app.command()
def run():
    {body}
app()
"""
CHATTY = "for number in range({lines}): typer.echo(number)"
WRITING = """
    with tempfile.TemporaryDirectory() as folder:
        print(folder, flush=True)
        time.sleep(60)
"""


def command_that(body: str) -> list[str]:
    return [sys.executable, "-c", COMMAND.format(body=body), "run"]


class VerdictError(CommandError):
    exit_status: ClassVar[int] = 1


RAISED = {
    "wrong": (CommandError("--out lies in [torch]"), 2, "bentorank: --out lies in [torch]\n"),
    "no": (VerdictError("not exported: it ranks otherwise"), 1, "bentorank: not exported: it ranks otherwise\n"),
    "settings": (ConfigurationError("port: must be\n  a number"), 2, "bentorank: port: must be; a number\n"),
    "file": (FileNotFoundError(2, "No such file or directory", "a.run"), 2, "bentorank: a.run: No such file or dir"),
    "interrupted": (KeyboardInterrupt(), 130, ""),
}


@pytest.mark.parametrize("name", RAISED)
def test_what_stops_a_command_is_one_line_and_a_status(name):
    """On standard error, after our name; nothing on standard output."""
    error, status, line = RAISED[name]
    app = typer.Typer(cls=Commands)

    @app.callback()
    def commands() -> None:
        """Make it a group."""

    @app.command()
    def fail() -> None:
        raise error

    result = CliRunner(env={"COLUMNS": "40"}).invoke(app, ["fail"])
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") <= 1


@pytest.mark.parametrize("lines", [10, 100_000])
def test_a_reader_who_leaves_ends_a_command_without_a_word(lines):
    """As `| head` does, whether it leaves before the last lines are written or long before."""
    command = command_that(CHATTY.format(lines=lines))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        writer.stdout.close()
        said = writer.stderr.read()
    assert (writer.returncode, said) == (141, b"")


def test_a_command_that_is_asked_to_end_leaves_nothing_behind():
    """As a pod's end, or `timeout`, asks: what was half written is gone, and there is no traceback."""
    with subprocess.Popen(command_that(WRITING), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        folder = Path(writer.stdout.readline().strip())
        assert folder.is_dir()
        writer.send_signal(signal.SIGTERM)
        said = writer.communicate()
    assert (writer.returncode, said) == (143, ("", ""))
    assert not folder.exists()
