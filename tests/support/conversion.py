"""OpenVINO's conversion in this process, where torch is imported already; a service has it made by another."""

from __future__ import annotations

import shutil
import warnings
from typing import TYPE_CHECKING

from bentorank.engines.checkpoint import NO_HINTS, open_checkpoint
from bentorank.engines.openvino.conversion import convert
from bentorank.engines.openvino.ir_store import cache_folder
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.engines.options import ModelHints


def convert_here(model: Path, cache_dir: Path, hints: ModelHints = NO_HINTS, *, quantize: bool = False) -> None:
    """Put the conversion of a model folder into the cache, unless it is there."""
    checkpoint = open_checkpoint(str(model), hints=hints)
    target = cache_folder(checkpoint, cache_dir, quantized=quantize)
    if not target.exists():
        target.mkdir(parents=True)
        try:
            with warnings.catch_warnings(action="ignore"):  # torch comments on what it traces
                convert(checkpoint, target, quantize=quantize)
        except ConfigurationError:
            shutil.rmtree(target)
            raise
