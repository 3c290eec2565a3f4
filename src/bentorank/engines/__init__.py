"""Engines: a cross-encoder on one device behind one small protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentorank.engines.options import EngineKind, EngineOptions, FakeOptions, Precision
from bentorank.engines.protocol import Engine, EngineInfo

if TYPE_CHECKING:
    from bentorank.engines.loading import load_engine

__all__ = ["Engine", "EngineInfo", "EngineKind", "EngineOptions", "FakeOptions", "Precision", "load_engine"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as Python calls it
    # Loading brings numpy and tokenizers, for which nobody waits who only asks what engines there are.
    if name == "load_engine":
        from bentorank.engines.loading import load_engine  # noqa: PLC0415

        return load_engine
    raise AttributeError(f"module {__name__} has no attribute {name}")
