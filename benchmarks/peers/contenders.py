"""How the peers are started: where nothing is said of a setting, it is the peer's own default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.harness.contender import Contender, Program, pairs_body

ENVIRONMENTS = Path(__file__).parents[2] / ".venv-peers"


def program_of(environment: str, program: str) -> str:
    """A program that `install` has put into a peer's environment."""
    return str(ENVIRONMENTS / environment / "bin" / program)


def onnx_int8_folder(model: str) -> str:
    """The model as `onnx_int8` converts it, beside the environments; takes half a minute the first time."""
    folder = ENVIRONMENTS / "models" / f"{Path(model).resolve().name}-int8"
    if not folder.exists():
        python = program_of("infinity", "python")
        subprocess.run([python, "-m", "benchmarks.peers.onnx_int8", model, str(folder)], check=True)
    return str(folder)


# Its warm-up takes half a minute at 32 pairs of 512 tokens; the benchmarks warm every contender up themselves.
INFINITY_COMMAND = (
    *(program_of("infinity", "infinity_emb"), "v2", "--model-id", "{model}", "--device", "cpu"),
    *("--host", "127.0.0.1", "--port", "{port}", "--no-model-warmup", "--log-level", "warning"),
)
INFINITY_ENVIRONMENT = {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "HF_HUB_OFFLINE": "1"}

INFINITY_TORCH = Contender(
    name="infinity-torch",
    command=(*INFINITY_COMMAND, "--engine", "torch"),
    environment=INFINITY_ENVIRONMENT,
    ready_path="/health",
)

INFINITY_OPTIMUM = Contender(
    name="infinity-optimum",
    # Batches of 8 pairs are padded less than its default of 32: a quarter faster on natural passages.
    command=(*INFINITY_COMMAND, "--engine", "optimum", "--batch-size", "8"),
    environment=INFINITY_ENVIRONMENT,
    ready_path="/health",
    prepare_model=onnx_int8_folder,
)


def _bentoml_service(name: str, service: str, environment: dict[str, str]) -> Contender:
    """A service in this project's own environment: BentoML is the same, and so is the engine where it loads ours."""
    return Contender(
        name=name,
        command=(
            *(sys.executable, "-m", "bentoml", "serve", f"benchmarks.peers.{service}"),
            *("--host", "127.0.0.1", "--port", "{port}"),
        ),
        # The same that `bentorank serve` sets: no telemetry, no tracing, a home that no other server shares.
        environment=environment
        | {
            "BENTOML_DO_NOT_TRACK": "True",
            "OTEL_SDK_DISABLED": "true",
            "BENTOML_HOME": str(ENVIRONMENTS / "bentoml-home" / name),
        },
        ready_path="/readyz",
        rerank_path="/score",
        write_body=pairs_body,
    )


BENTOML_BATCHABLE = _bentoml_service("bentoml-batchable", "bentoml_batchable:Batchable", {"BENTORANK_MODEL": "{model}"})
BENTOML_SORTED = _bentoml_service("bentoml-sorted", "bentoml_batchable:SortedBatchable", {"BENTORANK_MODEL": "{model}"})
BENTOML_CROSS_ENCODER = _bentoml_service(
    "bentoml-cross-encoder", "bentoml_cross_encoder:BatchableCrossEncoder", {"MODEL": "{model}", "HF_HUB_OFFLINE": "1"}
)


def _cross_encoder(name: str, dtype: str) -> Program:
    return Program(
        name=name,
        command=(
            *(program_of("cross-encoder", "python"), "-m", "benchmarks.peers.cross_encoder", "{model}"),
            *("--dtype", dtype, "--clients", "{clients}"),
        ),
        environment={"HF_HUB_OFFLINE": "1"},
    )


CROSS_ENCODER_F32 = _cross_encoder("cross-encoder-f32", "float32")
CROSS_ENCODER_BF16 = _cross_encoder("cross-encoder-bf16", "bfloat16")

PEER_SERVERS = (INFINITY_TORCH, INFINITY_OPTIMUM, BENTOML_BATCHABLE, BENTOML_SORTED, BENTOML_CROSS_ENCODER)
PEER_PROGRAMS = (CROSS_ENCODER_F32, CROSS_ENCODER_BF16)
