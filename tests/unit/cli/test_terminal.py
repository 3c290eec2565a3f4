"""What the commands say, and that names with brackets are said as they are."""

from __future__ import annotations

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bentorank import __version__
from bentorank.cli.app import app

COMMANDS = get_command(app).commands


def run(*arguments: str, columns: int = 200):
    return CliRunner(env={"COLUMNS": str(columns), "TERMINAL_WIDTH": str(columns)}).invoke(app, arguments)


def test_the_version_is_shown():
    """And nothing else."""
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"bentorank {__version__}\n")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(command):
    """Without a word broken in two, and with each paragraph filled."""
    result = run(*command.split(), "--help", columns=80)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    words = result.stdout.replace("│", " ").split()
    option_names = {word for word in words if word.startswith("--")}
    command_or_all = COMMANDS.get(command, get_command(app))
    assert {name for option in command_or_all.params for name in option.opts if name.startswith("--")} <= option_names
    assert "fak\n" not in result.stdout.replace(" ", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option(command):
    """In words, and the command itself in a sentence."""
    assert COMMANDS[command].help
    unexplained = [parameter.name for parameter in COMMANDS[command].params if not getattr(parameter, "help", None)]
    assert not unexplained


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "--corpus", "c", "--queries", "q", "--qrels", "[torch]/c"),
        ("export", "--out", "x", "--corpus", "c", "--queries", "q", "--qrels", "[torch]/c"),
        ("tune", "--corpus", "c", "--queries", "q", "--qrels", "[torch]/c"),
        ("serve", "--host", "[torch]/c"),
        ("serve", "--[torch]/c"),
        ("serve", "--port"),
        ("[torch]/c",),
    ],
)
def test_every_command_says_what_is_wrong_in_one_shape(arguments, monkeypatch):
    """One line on standard error that begins with our name, status 2, and brackets left alone."""
    monkeypatch.setenv("BENTORANK_HOST", "127.0.0.1")  # which `serve --host` overwrites
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("bentorank: ")
    assert "[torch]/c" in line or arguments[-1] == "--port"
    assert result.stdout == ""


def test_settings_are_shown_as_they_are(monkeypatch):
    """A value that reads like markup or like an emoji is a value."""
    monkeypatch.setenv("BENTORANK_SERVED_MODEL_NAME", "[red]mine[/red] :smile:")
    assert "[red]mine[/red] :smile:" in run("settings").stdout
