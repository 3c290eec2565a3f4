"""Which engine `auto` is, what torch refuses, and what a fingerprint stands for."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.engines.loading import choose_engine
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

NO_GPU = not torch.cuda.is_available() and not torch.backends.mps.is_available()

FAKE_WITHOUT_TORCH = """
import sys
from bentorank.engines import EngineKind, EngineOptions, load_engine
load_engine(EngineOptions(model="fake", engine=EngineKind.FAKE))
heavy = {"torch", "transformers", "openvino", "tokenizers"} & set(sys.modules)
assert not heavy, heavy
"""


def _torch(folder: Path, **options: Any) -> EngineOptions:
    return EngineOptions(model=str(folder), engine=EngineKind.TORCH, device=options.pop("device", "cpu"), **options)


def test_the_fake_engine_imports_nothing_heavy() -> None:
    """Tests and demos with the fake engine start at once, torch installed or not."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, "-c", FAKE_WITHOUT_TORCH], env=environment, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr


def test_auto_is_openvino_on_the_cpu() -> None:
    """Asked for the CPU, or with no accelerator, the fastest CPU engine is taken; a GPU device means torch."""
    assert choose_engine(EngineOptions(model="m", device="cpu")) is EngineKind.OPENVINO
    assert choose_engine(EngineOptions(model="m", device="cuda:1")) is EngineKind.TORCH
    expected = EngineKind.OPENVINO if NO_GPU else EngineKind.TORCH
    assert choose_engine(EngineOptions(model="m")) is expected


def test_torch_on_the_cpu_is_f32_unless_asked(tiny_model: Any) -> None:
    """The reference engine does not round of its own accord."""
    engine = load_engine(_torch(tiny_model("bert")))
    assert (engine.info.engine, engine.info.device, engine.info.precision) == ("torch", "cpu", "f32")


@pytest.mark.skipif(not cpu_has_native_bf16(), reason="this CPU would emulate bf16")
def test_torch_in_bf16_returns_float32_logits(tiny_model: Any) -> None:
    """Half precision ends at the model's last layer."""
    from bentorank.types import Pair

    engine = load_engine(_torch(tiny_model("bert"), precision=Precision.BF16))
    assert engine.forward(engine.encode([Pair("a", "b")])).dtype == "float32"
    assert engine.info.precision == "bf16"


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.F16])
def test_torch_refuses_what_the_cpu_would_emulate(tiny_model: Any, precision: Precision) -> None:
    """The sentence names what was asked and what there is."""
    with pytest.raises(ConfigurationError, match=f"not in {precision}"):
        load_engine(_torch(tiny_model("bert"), precision=precision))


@pytest.mark.parametrize("device", ["cuda:64", "tpu", "cuda:x", "cudax"])
def test_a_device_that_is_not_there_is_refused(tiny_model: Any, device: str) -> None:
    """Absent and misspelt devices stop the start."""
    with pytest.raises(ConfigurationError, match=device):
        load_engine(_torch(tiny_model("bert"), device=device))


def test_fingerprint_changes_with_what_a_score_depends_on(tiny_model: Any, tiny_models: Any, tmp_path: Path) -> None:
    """The same model has one fingerprint; another window, engine or weight has another."""
    folder = tiny_model("bert")
    fingerprint = load_engine(_torch(folder)).info.fingerprint
    assert load_engine(_torch(folder)).info.fingerprint == fingerprint
    assert load_engine(_torch(folder, max_tokens=40)).info.fingerprint != fingerprint
    tiny_models.build_bert(tmp_path / "wider", intermediate_size=48)
    assert load_engine(_torch(tmp_path / "wider")).info.fingerprint != fingerprint
