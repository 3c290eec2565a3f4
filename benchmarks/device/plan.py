"""What is measured over HTTP, the most important first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GRAPHS = "BENTORANK_CUDA_GRAPHS"
WORKERS_A_GPU = "BENTORANK_WORKERS_PER_GPU"


@dataclass(frozen=True, slots=True)
class Load:
    """Clients that each have a request of so many documents in flight."""

    clients: int
    documents: int

    def __str__(self) -> str:
        return f"{self.clients} x {self.documents}"


@dataclass(frozen=True, slots=True)
class Trial:
    """A server with settings, and what is sent to it."""

    name: str
    model: str
    loads: tuple[Load, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


ONE, FEW, MANY, LARGE = Load(1, 10), Load(8, 50), Load(32, 50), Load(16, 50)

GPU_TRIALS = (
    Trial("starter", "starter", (MANY, ONE, FEW)),
    Trial("starter, no graphs", "starter", (ONE, MANY), {GRAPHS: "false"}),
    Trial("starter, 2 workers", "starter", (MANY, FEW), {WORKERS_A_GPU: "2"}),
    Trial("bert-large", "bert-large", (ONE, LARGE)),
    Trial("xlmr-560m", "xlmr-560m", (MANY, ONE)),
    Trial("starter, 4 workers", "starter", (MANY,), {WORKERS_A_GPU: "4"}),
    Trial("bert-large, no graphs", "bert-large", (ONE,), {GRAPHS: "false"}),
    Trial("starter, 2 heaps", "starter", (MANY,), {"MALLOC_ARENA_MAX": "2"}),
)

_ON_CPU = {"BENTORANK_ENGINE": "openvino", "BENTORANK_DEVICE": "cpu"}
CPU_TRIALS = (
    Trial("CPU, default streams", "starter-int8", (FEW,), _ON_CPU),
    Trial("CPU, 16 streams", "starter-int8", (FEW,), _ON_CPU | {"BENTORANK_STREAMS": "16"}),
    Trial("CPU, 8 streams", "starter-int8", (FEW,), _ON_CPU | {"BENTORANK_STREAMS": "8"}),
    Trial("CPU, 4 streams", "starter-int8", (FEW,), _ON_CPU | {"BENTORANK_STREAMS": "4"}),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """An engine without a server, and the settings that it is loaded with."""

    name: str
    model: str
    settings: Mapping[str, str] = field(default_factory=dict)


ENGINES = tuple(
    Variant(f"{model}{suffix}", model, settings)
    for model in ("starter", "bert-large", "xlmr-560m")
    for suffix, settings in (("", {}), (", no graphs", {GRAPHS: "false"}))
)


def few(trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
    """Every trial with its first load alone."""
    return tuple(Trial(trial.name, trial.model, trial.loads[:1], trial.settings) for trial in trials)
