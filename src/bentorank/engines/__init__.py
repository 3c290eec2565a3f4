"""Engines: a cross-encoder on one device behind one small protocol."""

from bentorank.engines.loading import load_engine
from bentorank.engines.options import EngineKind, EngineOptions, FakeOptions, Precision
from bentorank.engines.protocol import Engine, EngineInfo

__all__ = ["Engine", "EngineInfo", "EngineKind", "EngineOptions", "FakeOptions", "Precision", "load_engine"]
