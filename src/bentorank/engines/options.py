"""What may be asked of an engine: which one, which model, on what device, how precise."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class EngineKind(StrEnum):
    """The engines that exist, and `auto`, which picks what this machine does best."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"
    FAKE = "fake"


class Precision(StrEnum):
    """What the model computes in. `auto` never picks one that the device would emulate."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"
    INT8 = "int8"


BYTES_A_WEIGHT = {Precision.F32: 4, Precision.BF16: 2, Precision.F16: 2, Precision.INT8: 1}


@dataclass(frozen=True, slots=True)
class FakeOptions:
    """How slow the fake engine is; it otherwise answers at once. Both delays add up.

    `gpu` is a file that stands for the GPU it pretends to run on, which is lost while there is no such file.
    """

    delay_s_per_batch: float = 0.0
    delay_s_per_1k_tokens: float = 0.0
    gpu: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelHints:
    """What a model's files do not say of it, and is never guessed.

    `instruction` is for requests without one, `prompt_format` names how a causal language model is asked, `two_labels`
    promises that the second of two labels is relevance.
    """

    instruction: str | None = None
    prompt_format: str | None = None
    two_labels: bool = False


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """One engine to load. `load_engine` refuses contradictions with a ConfigurationError.

    `model` is a folder or a Hugging Face hub id, `revision` a branch, tag or commit of the latter.
    `device` is auto, cpu, cuda, cuda:N or mps. `max_tokens` caps the model's own window. `threads=None`
    leaves the number to the engine, and so does `streams=None` the number of forward passes that run at a time,
    between which the threads are divided; only OpenVINO has several. Converted models are kept under `cache_dir`.
    `memory_share` is the part of a GPU's memory that this process may take, `host_share` that of the host's which is
    for this model.
    `cuda_graphs` has torch launch small batches at once where that is proven, `compile_layers` has it compile a
    model's layers on a GPU, None where there is a compiler; other engines have neither. A `fast_tokenizer` reads where
    it gives the same ids. `hints` tell what the model's files do not.
    """

    model: str
    engine: EngineKind = EngineKind.AUTO
    revision: str | None = None
    device: str = "auto"
    precision: Precision = Precision.AUTO
    max_tokens: int | None = None
    threads: int | None = None
    streams: int | None = None
    cuda_graphs: bool = True
    compile_layers: bool | None = None
    fast_tokenizer: bool = True
    cache_dir: Path = field(default_factory=lambda: Path.home() / ".cache" / "bentorank")
    memory_share: float = 1.0
    host_share: float = 1.0
    hints: ModelHints = field(default_factory=ModelHints)
    fake: FakeOptions = field(default_factory=FakeOptions)
