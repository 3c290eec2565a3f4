"""Layers that torch compiles: a GPU is bound by the memory that passes between their operations, so it has fewer, that
each do more."""

from __future__ import annotations

import logging
import os
import shutil
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from transformers import AttentionInterface

from bentorank.engines.torch.causal_attention import CAUSAL_ATTENTION, attend_in_causal_row

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.engines.options import EngineOptions
    from bentorank.engines.torch.quickening import Model

logger = logging.getLogger(__name__)


def compiled_layers(options: EngineOptions) -> list[CompiledLayers]:
    """One or none, as the options say; where they do not, one if it can be had."""
    compiles = options.compile_layers
    if compiles is None and not (compiles := _has_compiler()):
        logger.info("layers are not compiled, which would make passes faster: there is no C compiler")
    return [CompiledLayers(options.cache_dir / "compiled")] if compiles else []


def _has_compiler() -> bool:
    """Whether there is what torch compiles with for a GPU: triton, and a C compiler for what launches its kernels."""
    compilers = (os.environ.get("CC"), "gcc", "clang")
    return find_spec("triton") is not None and any(shutil.which(name) for name in compilers if name)


class CompiledLayers:
    """What is between products of matrices, and attention, becomes a kernel each, for batches of all sizes.

    `folder` keeps the kernels for the next start.
    """

    name = "compiled layers"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def apply(self, model: Model) -> None:
        """Compile with the next pass."""
        # What is in it is executed.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # They are else in /tmp, where containers often let nothing be executed.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(self._folder))
        _hide_attention()
        torch.compiler.set_stance("default")
        for layer in model.base_model.layers:
            # In this process: others would stay for as long as it serves.
            layer.compile(dynamic=True, options={"compile_threads": 1})

    def keep(self) -> None:
        """What a batch alone would be compiled for, such as one of a single token, is computed as it was before."""
        torch.compiler.set_stance("eager_on_recompile")

    def undo(self, model: Model) -> None:
        """As Quickening has it."""
        self.keep()
        for layer in model.base_model.layers:
            layer._compiled_call_impl = None  # noqa: SLF001 - torch has no other way back


@cache
def _hide_attention() -> None:
    """Have compiled layers call attention as it is: compiled, it would know the lengths of one batch.

    Once: compiled layers of other models look for the very function that they were compiled with.
    """
    hidden = torch.compiler.disable(attend_in_causal_row)  # type: ignore[no-untyped-call]
    AttentionInterface.register(CAUSAL_ATTENTION, hidden)
