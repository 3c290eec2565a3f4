"""From options to a loaded engine, importing only what that engine needs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from bentorank.engines.fake import DEFAULT_MAX_TOKENS, FakeEngine
from bentorank.engines.hardware import cpu_is_supported_by_openvino, may_have_accelerator
from bentorank.engines.openvino.telemetry import forbid_telemetry
from bentorank.engines.options import EngineKind
from bentorank.engines.self_check import check_scores
from bentorank.errors import ConfigurationError
from bentorank.installing import install_extra

if TYPE_CHECKING:
    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.options import EngineOptions
    from bentorank.engines.protocol import Engine


def load_engine(options: EngineOptions) -> Engine:
    """Load what `options` ask for; takes seconds, minutes where a model is downloaded or converted first.

    Raises ConfigurationError, in one sentence, for a model, device or precision that cannot be had, and for a
    model whose scores are no numbers or all the same.
    """
    forbid_telemetry()
    kind = choose_engine(options)
    if kind is EngineKind.FAKE:
        return FakeEngine(options.fake, max_tokens=options.max_tokens or DEFAULT_MAX_TOKENS)
    _require_installed(kind)
    # Only now, since the fake engine needs none of this.
    from bentorank.engines.checkpoint import open_checkpoint  # noqa: PLC0415

    checkpoint = open_checkpoint(
        options.model,
        revision=options.revision,
        max_tokens=options.max_tokens,
        hints=options.hints,
    )
    engine = _load_openvino(checkpoint, options) if kind is EngineKind.OPENVINO else _load_torch(checkpoint, options)
    check_scores(engine)
    return engine


def choose_engine(options: EngineOptions) -> EngineKind:
    """`auto` is torch on an accelerator, else OpenVINO where it is installed and runs, else torch."""
    if options.engine is not EngineKind.AUTO:
        return options.engine
    if options.device not in {"auto", "cpu"} or (options.device == "auto" and _has_accelerator()):
        return EngineKind.TORCH
    if cpu_is_supported_by_openvino() and find_spec("openvino") is not None:
        return EngineKind.OPENVINO
    return EngineKind.TORCH


def _has_accelerator() -> bool:
    # Importing torch takes seconds and 300 MB: only where there may be something to find.
    if not may_have_accelerator() or find_spec("torch") is None:
        return False
    from bentorank.engines.torch.device import best_accelerator  # noqa: PLC0415

    return best_accelerator() is not None


def _require_installed(kind: EngineKind) -> None:
    package, command = {
        EngineKind.TORCH: ("sentence_transformers", install_extra("torch")),
        EngineKind.OPENVINO: ("openvino", "pip install openvino"),
    }[kind]
    if find_spec(package) is None:
        raise ConfigurationError(f"the {kind} engine is not installed: {command}")


def _load_openvino(checkpoint: Checkpoint, options: EngineOptions) -> Engine:
    from bentorank.engines.openvino.engine import OpenVINOEngine  # noqa: PLC0415 - heavy

    return OpenVINOEngine(checkpoint, options)


def _load_torch(checkpoint: Checkpoint, options: EngineOptions) -> Engine:
    from bentorank.engines.torch.engine import TorchEngine  # noqa: PLC0415 - heavy

    return TorchEngine(checkpoint, options)
