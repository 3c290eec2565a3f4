"""Whether the models that are to share a device fit into its memory, told from their files before any is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.defaults import batch_tokens
from bentorank.defaults import streams as default_streams
from bentorank.engines.cores import usable_cores, usable_memory_bytes
from bentorank.engines.loading import choose_engine
from bentorank.engines.options import BYTES_A_WEIGHT, EngineKind, Precision
from bentorank.engines.stored_files import read_json
from bentorank.errors import ConfigurationError
from bentorank.model_list import of_model
from bentorank.process.usage import process_usage
from bentorank.wiring import engine_options, uses_gpu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.options import EngineOptions
    from bentorank.model_list import ModelEntry
    from bentorank.settings import Settings

GIB = 2**30
# What a layer keeps of each token while it computes: vectors of the model's width, and of its inner one.
VECTORS_A_TOKEN, INNER_VECTORS_A_TOKEN = 8, 2
# Where the configuration does not say.
USUAL_WIDTH = 768


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """The least that a model takes: its weights, once for each forward pass at a time, and what those keep.

    `stored_bytes` is the size of its files.
    """

    name: str
    weights_bytes: int
    batch_bytes: int
    stored_bytes: int

    @property
    def bytes(self) -> int:
        """Both, once it is loaded."""
        return self.weights_bytes + self.batch_bytes


def check_memory(settings: Settings, entries: Sequence[ModelEntry]) -> None:
    """Raises ConfigurationError if models take more than there is.

    It counts the least that they take, so that it refuses none that would fit.
    """
    if settings.engine == "fake":
        return
    needs = [memory_need(settings, entry) for entry in entries]
    total = sum(need.bytes for need in needs)
    available, what = _available(settings)
    if total > available:
        named = ", ".join(f"{need.name} {need.bytes / GIB:.1f}" for need in needs)
        raise ConfigurationError(
            f"the models take {total / GIB:.1f} GiB at least ({named}), and there are {available / GIB:.1f} of {what}:"
            " serve fewer of them, or in a smaller precision"
        )


def check_room(settings: Settings, entry: ModelEntry, *, models: int) -> None:
    """Raises ConfigurationError if a model does not fit beside what this process holds already, as one of so many.

    While it is loaded its weights are there as they are stored, too: who runs out of memory takes the others with it.
    """
    if settings.engine == "fake":
        return
    need = memory_need(settings, entry, models=models)
    on_gpu = uses_gpu(settings)
    needed = need.bytes if on_gpu else max(need.bytes, need.stored_bytes + need.weights_bytes)
    available, what = _available(settings)
    taken = _taken(settings)
    if needed + taken > available:
        raise ConfigurationError(
            f"model {entry.name}: it takes {needed / GIB:.1f} GiB at least while it is loaded, and"
            f" {max(0, available - taken) / GIB:.1f} of {available / GIB:.1f} of {what} are free: unload another first,"
            " or load it in a smaller precision"
        )


def memory_need(settings: Settings, entry: ModelEntry, *, models: int | None = None) -> MemoryNeed:
    """That of one of so many models. Raises ConfigurationError, which names it, where its files cannot be read."""
    from bentorank.engines.checkpoint import open_checkpoint  # noqa: PLC0415 - the fake engine has none

    options = engine_options(settings, 1, entry, models=models)
    try:
        checkpoint = open_checkpoint(
            options.model, revision=options.revision, max_tokens=options.max_tokens, hints=options.hints
        )
        weights = checkpoint.count_weights()
        on_openvino = choose_engine(options) is EngineKind.OPENVINO
        precision = _precision(options, checkpoint, on_openvino=on_openvino, on_gpu=uses_gpu(settings))
    except ConfigurationError as error:
        raise ConfigurationError(of_model(entry.name, error.message)) from error
    bytes_a_weight = BYTES_A_WEIGHT[precision]
    streams = _streams(options, weights * bytes_a_weight) if on_openvino else 1
    config = read_json(checkpoint.folder / "config.json")
    width = int(config.get("hidden_size") or config.get("dim") or config.get("d_model") or USUAL_WIDTH)
    inner = int(config.get("intermediate_size") or 4 * width)
    tokens = settings.max_batch_tokens or batch_tokens("cuda" if uses_gpu(settings) else "cpu")
    kept = tokens * (VECTORS_A_TOKEN * width + INNER_VECTORS_A_TOKEN * inner) * max(2, bytes_a_weight)
    stored = sum(file.stat().st_size for file in checkpoint.weight_files())
    return MemoryNeed(entry.name, weights * bytes_a_weight * streams, kept * streams, stored)


def _streams(options: EngineOptions, weights_bytes: int) -> int:
    threads = options.threads or usable_cores()
    memory_bytes = int(usable_memory_bytes() * options.host_share)
    return options.streams or default_streams(threads, memory_bytes=memory_bytes, weights_bytes=weights_bytes)


def _precision(options: EngineOptions, checkpoint: Checkpoint, *, on_openvino: bool, on_gpu: bool) -> Precision:
    if on_openvino:
        from bentorank.engines.openvino.engine import choose_precision  # noqa: PLC0415 - heavy

        return choose_precision(options.precision, checkpoint)
    if options.precision is not Precision.AUTO:
        return options.precision
    return Precision.BF16 if on_gpu else Precision.F32


def _available(settings: Settings) -> tuple[int, str]:
    """Bytes for all models of one worker, and of what."""
    if (gpu := _gpu(settings)) is None:
        return usable_memory_bytes() // settings.worker_count, "memory"
    import torch  # noqa: PLC0415 - only where there may be a GPU

    _, total = torch.cuda.mem_get_info(gpu)
    return int(total * engine_options(settings, 1).memory_share), "the GPU's memory"


def _taken(settings: Settings) -> int:
    """Bytes of the same memory that are taken now; torch's own reserve is not."""
    if (gpu := _gpu(settings)) is None:
        return process_usage().resident_bytes
    import torch  # noqa: PLC0415 - only where there may be a GPU

    free, total = torch.cuda.mem_get_info(gpu)
    return total - free - (torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu))


def _gpu(settings: Settings) -> str | None:
    """The GPU that models are loaded on, if there is one."""
    if not uses_gpu(settings):
        return None
    import torch  # noqa: PLC0415 - only where there may be a GPU

    if not torch.cuda.is_available():
        return None
    device = engine_options(settings, 1).device
    return device if device.startswith("cuda") else "cuda"
