"""Reads a tokenizer's JSON, and says it in a sentence where that is impossible."""

from __future__ import annotations

from importlib.metadata import version

from tokenizers import Tokenizer

from bentorank.errors import ConfigurationError


def read_tokenizer(content: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json. Raises ConfigurationError where it is damaged, or of a kind not known yet."""
    try:
        return Tokenizer.from_str(content)
    except Exception as error:
        # The library raises nothing narrower.
        raise ConfigurationError(
            f"the model's tokenizer.json is damaged, or newer than tokenizers {version('tokenizers')}: {error}"
        ) from error
