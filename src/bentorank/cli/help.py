"""How help shows what an option takes: a word that fits beside the explanation, and none for a flag."""

from __future__ import annotations

from typing import Any

from typer.core import TyperOption

WORDS = {"int": "number", "float": "number", "str": "text", "path": "path", "file": "path", "folder": "path"}


def show_types_in_words(command: Any, context: Any) -> None:  # noqa: ANN401 - of typer's own copy of click
    """For the options of `command`, unless a `metavar` of their own says it already."""
    for option in command.get_params(context):
        if isinstance(option, TyperOption) and option.metavar is None:
            option.metavar = _word(option)


def _word(option: TyperOption) -> str | None:
    described = option.type_descriptor
    if option.is_flag:
        return ""
    if described.is_choice:
        return None  # the choices themselves
    kind = described.path_type if described.is_path else option.bare_type()
    kind = kind.removeprefix("list[").removesuffix("]").removesuffix(" range")
    return f"<{WORDS.get(kind, kind)}>"
