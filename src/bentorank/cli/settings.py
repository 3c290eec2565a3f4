"""`bentorank settings`: what can be set, and to what it is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from bentorank.cli.terminal import terminal

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

MARKDOWN_HEAD = """# Settings

Every setting is an environment variable, or a line `NAME=value` of the file that `--env-file` or `BENTORANK_ENV_FILE`
names. `bentorank settings` shows the values in force; this page is what `bentorank settings --markdown` prints, and a
test keeps it so.

| variable | default | meaning |
|---|---|---|
"""


def show_settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the documentation page instead.")] = False,
) -> None:
    """Show every setting: its variable, the value in force, its meaning."""
    from rich.table import Table

    from bentorank.settings import Settings, environment_name, read_settings

    if markdown:
        typer.echo(markdown_table(), nl=False)
        return
    values = read_settings()
    table = Table("variable", "value", "meaning")
    for name, field in Settings.model_fields.items():
        table.add_row(environment_name(name), _shown(getattr(values, name)), field.description)
    terminal().print(table)


def markdown_table() -> str:
    """The page docs/settings.md."""
    from bentorank.settings import Settings, environment_name

    rows = [
        f"| `{environment_name(name)}` | {_shown(field.default)} | {field.description}{_choices(field)} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return MARKDOWN_HEAD + "".join(rows)


def _shown(value: Any) -> str:  # noqa: ANN401 - any setting's value
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "unset"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choices(field: FieldInfo) -> str:
    """The words allowed, where a setting takes one of a few."""
    words = [word for word in get_args(field.annotation) if isinstance(word, str)]
    return f" One of {', '.join(f'`{word}`' for word in words)}." if words else ""
