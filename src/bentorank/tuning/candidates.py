"""What is tried: settings that differ from those in force, one dimension after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.engines.cores import usable_cores
from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.tuning.measuring import Loaded

CPU_BATCH_TOKENS = (512, 1024, 2048, 4096)
STREAMS = (1, 2, 4, 8, 16)
TOKENIZER_THREADS = (1, 2, 4, 8)
CORES_WORTH_TRYING_TOKENIZER_THREADS = 8
ACCELERATOR_BATCH_TOKENS = (16_384, 32_768, 65_536, 131_072)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings that differ from those in force: field of Settings and value, in the order of their choice."""

    overrides: tuple[tuple[str, str], ...] = ()

    def with_value(self, setting: str, value: str) -> Candidate:
        """The same with one more setting, or another value of it."""
        others = tuple(override for override in self.overrides if override[0] != setting)
        return Candidate((*others, (setting, value)))

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join(f"{setting.replace('_', ' ')} {value}" for setting, value in self.overrides) or "as it is"


AS_IT_IS = Candidate()


@dataclass(frozen=True, slots=True)
class Dimension:
    """One setting and the values to try. Another setting that is worth trying is another one of these."""

    setting: str
    values: tuple[str, ...]

    def on_top_of(self, best: Candidate) -> list[Candidate]:
        """The best so far with each of the values; streams that it has too few threads for are left out."""
        candidates = [best.with_value(self.setting, value) for value in self.values]
        return [candidate for candidate in candidates if _has_threads_for_streams(dict(candidate.overrides))]


@dataclass(frozen=True, slots=True)
class Restriction:
    """The only values to try, where there are any."""

    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    streams: tuple[int, ...] = ()
    batch_tokens: tuple[int, ...] = ()
    tokenizer_threads: tuple[int, ...] = ()


def dimensions(loaded: Loaded, only: Restriction) -> tuple[Dimension, ...]:
    """The dimensions in the order of their effect, without values that are in force anyway.

    Raises ConfigurationError for a precision that this device would emulate, and for more streams than threads.
    """
    on_cpu = loaded.device == "cpu"
    budgets = only.batch_tokens or (CPU_BATCH_TOKENS if on_cpu else ACCELERATOR_BATCH_TOKENS)
    threads = (only.threads or thread_counts(usable_cores())) if on_cpu else ()
    found = (
        _dimension("precision", _precisions(loaded, only.precisions), loaded.precision),
        _dimension("threads", threads),
        _dimension("streams", _streams(loaded, only.streams, max(threads, default=1)), loaded.streams),
        _dimension("max_batch_tokens", budgets, loaded.max_batch_tokens),
        _dimension(
            "tokenizer_threads", only.tokenizer_threads or tokenizer_threads(usable_cores()), loaded.tokenizer_threads
        ),
    )
    return tuple(dimension for dimension in found if dimension.values)


def native_precisions(loaded: Loaded, *, cpu_bf16: bool) -> tuple[str, ...]:
    """What the engine computes in on its device without emulation, the coarsest first.

    int8 weights are no emulation anywhere: without int8 arithmetic they are read as int8 and computed in f32. Whether a
    GPU has bf16 is for torch to say as it loads.
    """
    if loaded.device != "cpu":
        return ("bf16", "f16", "f32")
    bf16 = ("bf16",) if cpu_bf16 else ()
    return ("int8", *bf16, "f32") if loaded.engine == "openvino" else (*bf16, "f32")


def thread_counts(cores: int) -> tuple[int, ...]:
    """All physical cores, one less (for tokenising and HTTP), and half of them."""
    return tuple(sorted({cores, cores - 1, cores // 2} - {0}, reverse=True))


def tokenizer_threads(cores: int) -> tuple[int, ...]:
    """None on few cores, where the tokenizer's own threads take all of them, and no difference shows above noise."""
    return TOKENIZER_THREADS if cores >= CORES_WORTH_TRYING_TOKENIZER_THREADS else ()


def _streams(loaded: Loaded, only: Sequence[int], threads: int) -> tuple[int, ...]:
    """None but for OpenVINO on a CPU: no other engine has more than one. `threads` is the most that will be tried."""
    if loaded.engine != "openvino" or loaded.device != "cpu":
        return ()
    if max(only, default=1) > threads:
        raise ConfigurationError(f"{max(only)} streams need a thread each, and at most {threads} are tried")
    return tuple(only) or tuple(streams for streams in STREAMS if streams <= threads)


def _precisions(loaded: Loaded, only: Sequence[str]) -> tuple[str, ...]:
    native = native_precisions(loaded, cpu_bf16=cpu_has_native_bf16())
    for precision in only:
        if precision not in native:
            raise ConfigurationError(
                f"the {loaded.engine} engine on this {loaded.device} would emulate {precision}, which is never"
                f" faster: try {', '.join(native)}"
            )
    return tuple(only) or native


def _has_threads_for_streams(overrides: dict[str, str]) -> bool:
    threads, streams = overrides.get("threads"), overrides.get("streams")
    return threads is None or streams is None or int(streams) <= int(threads)


def _dimension(setting: str, values: Sequence[object], in_force: object = None) -> Dimension:
    return Dimension(setting, tuple(str(value) for value in values if value != in_force))
