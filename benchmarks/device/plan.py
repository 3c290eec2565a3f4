"""What is measured over HTTP, the most important first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GRAPHS = "BENTORANK_CUDA_GRAPHS"
WORKERS_A_GPU = "BENTORANK_WORKERS_PER_GPU"
FAST_TOKENIZER = "BENTORANK_FAST_TOKENIZER"
COMPILED = "BENTORANK_COMPILE_LAYERS"


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


ONE, FEW, MANY, LARGE, LONG = Load(1, 10), Load(8, 50), Load(32, 50), Load(16, 50), Load(8, 100)

# In settings, `{models}` is the folder of all models.
_BOTH = "xlmr-560m={models}/xlmr-560m,starter={models}/starter"
_PROMPTS = {"BENTORANK_PROMPT_FORMAT": "qwen3-reranker"}
_ONE_WORKER = {WORKERS_A_GPU: "1"}
GPU_TRIALS = (
    # With as many workers as `bentorank serve` starts by itself.
    Trial("starter", "starter", (MANY, ONE, FEW)),
    Trial("qwen3-0.6b", "qwen3-0.6b", (FEW, ONE), _PROMPTS),
    Trial("starter, 1 worker", "starter", (MANY, ONE), _ONE_WORKER),
    Trial("qwen3-0.6b, not compiled", "qwen3-0.6b", (FEW, ONE), _PROMPTS | {COMPILED: "false"}),
    Trial("bert-large", "bert-large", (ONE, LARGE)),
    Trial("xlmr-560m", "xlmr-560m", (MANY, LONG, ONE)),
    Trial(
        "starter before xlmr-560m, 30 read",
        "xlmr-560m",
        (LONG,),
        {"BENTORANK_MODELS": _BOTH, "BENTORANK_FIRST_STAGE": "starter", "BENTORANK_KEEP": "30"},
    ),
    Trial("starter, 4 workers", "starter", (MANY, FEW), {WORKERS_A_GPU: "4"}),
    Trial("starter, tokenizers library", "starter", (MANY, ONE), _ONE_WORKER | {FAST_TOKENIZER: "false"}),
    Trial("starter, no graphs", "starter", (ONE,), _ONE_WORKER | {GRAPHS: "false"}),
)

_ON_CPU = {"BENTORANK_ENGINE": "openvino", "BENTORANK_DEVICE": "cpu"}
CPU_TRIALS = (
    Trial("CPU, default streams", "starter-int8", (FEW, ONE), _ON_CPU),
    Trial("CPU, 4 streams", "starter-int8", (FEW,), _ON_CPU | {"BENTORANK_STREAMS": "4"}),
    Trial("CPU, 16 streams", "starter-int8", (FEW,), _ON_CPU | {"BENTORANK_STREAMS": "16"}),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """An engine without a server, and the settings that it is loaded with."""

    name: str
    model: str
    settings: Mapping[str, str] = field(default_factory=dict)
    # What prompts begin with alike is computed once for each query.
    shares: bool = True


ENGINES = (
    Variant("starter", "starter"),
    Variant("qwen3-0.6b", "qwen3-0.6b", _PROMPTS),
    Variant("qwen3-0.6b, not compiled", "qwen3-0.6b", _PROMPTS | {COMPILED: "false"}),
    Variant("xlmr-560m", "xlmr-560m"),
    Variant("qwen3-0.6b, nothing shared", "qwen3-0.6b", _PROMPTS, shares=False),
    Variant("bert-large", "bert-large"),
    Variant("starter, tokenizers library", "starter", {FAST_TOKENIZER: "false"}),
    Variant("starter, no graphs", "starter", {GRAPHS: "false"}),
)


def few(trials: tuple[Trial, ...]) -> tuple[Trial, ...]:
    """Every trial with its first load alone."""
    return tuple(Trial(trial.name, trial.model, trial.loads[:1], trial.settings) for trial in trials)
