"""Three fake models for one server or process: `big` reads all, `small` reads little, and prunes for `pruning`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# The fake engine's score is the share of the query's words that it reads in a document: of 16 tokens 14 are words.
THREE_MODELS = """
[[models]]
name = "big"
source = "first"
aliases = ["large"]

[[models]]
name = "small"
source = "second"
max_pair_tokens = {size}
overflow = "{overflow}"

[[models]]
name = "pruning"
source = "third"
first_stage = "small"
keep = 2
"""


def three_models(folder: Path, *, size_of_small: int = 16, overflow_of_small: str = "truncate") -> Path:
    """The list as a file in `folder`."""
    path = folder / "models.toml"
    path.write_text(THREE_MODELS.format(size=size_of_small, overflow=overflow_of_small))
    return path
