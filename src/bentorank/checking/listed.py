"""A model that BENTORANK_MODELS lists, as the settings that it would be served with alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bentorank.model_list import ModelEntry

# Where the two have different names for it; `overflow` and names are of requests, and change nothing here.
_RENAMED = {"source": "model", "revision": "model_revision"}
_OF_REQUESTS = frozenset({"name", "aliases", "overflow"})


def settings_alone(model: str, entries: Iterable[ModelEntry]) -> dict[str, object]:
    """By the setting's name: those of the entry that is called so, else what says that `model` is a folder or an id."""
    for entry in entries:
        if model in entry.names:
            own = entry.model_dump(exclude=set(_OF_REQUESTS), exclude_none=True)
            return {_RENAMED.get(name, name): value for name, value in own.items()}
    return {"model": model}
