"""The clients' keyword arguments and ClientOptions are one list, written twice for type checkers."""

from __future__ import annotations

from dataclasses import fields

from bentorank_client.options import ClientArguments, ClientOptions


def test_arguments_are_the_options():
    """The same names and types."""
    assert ClientArguments.__annotations__.keys() == {option.name for option in fields(ClientOptions)}
    arguments = {name: reference.__forward_arg__ for name, reference in ClientArguments.__annotations__.items()}
    assert arguments == {option.name: option.type for option in fields(ClientOptions)}
