"""Faster layers score as those they replace; what fails, or scores otherwise, is taken back and told."""

from __future__ import annotations

import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from support.causal_families import CAUSAL_FAMILIES, UNLIKE_FAMILIES

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.torch import forward
from bentorank.engines.torch.causal_packing import PackedCausalForward
from bentorank.engines.torch.compiled_layers import CompiledLayers, compiled_layers
from bentorank.engines.torch.engine import encoder_of, load_cross_encoder, reference_forward, transformers_module
from bentorank.engines.torch.forward import choose_forward, has_packing_kernel
from bentorank.engines.torch.fused_norms import FusedNorms
from bentorank.engines.warm_up import probe_pairs
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bentorank.engines.torch.quickening import Quickening
    from bentorank.types import EncodedPair

GPU_COMPILES = (
    torch.cuda.is_available()
    and has_packing_kernel(torch.device("cuda"), torch.bfloat16)
    and shutil.which("gcc") is not None
)


pytestmark = pytest.mark.usefixtures("varlen_attention_on_cpu", "one_thread")


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU's way through a model, by a plain kernel."""
    monkeypatch.setattr(forward, "has_packing_kernel", lambda *_: True)


@pytest.fixture
def compiling(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing compiled, and no place for it, before and after."""
    monkeypatch.setitem(os.environ, "TORCHINDUCTOR_CACHE_DIR", "")
    del os.environ["TORCHINDUCTOR_CACHE_DIR"]
    yield
    torch.compiler.reset()
    torch.compiler.set_stance("default")


class Loaded:
    """A small language model, and batches of several sizes with their scores before anything is changed."""

    def __init__(self, folder: Path, tiny_models: Any, family: str = "qwen3", **config: Any) -> None:
        tiny_models.build_causal(folder, family, **config)
        checkpoint = open_checkpoint(str(folder))
        model = load_cross_encoder(checkpoint, device="cpu", dtype=torch.float32)
        self.module = transformers_module(model)
        encoder = encoder_of(model, checkpoint, fast=False)
        reference = reference_forward(model, checkpoint)
        self.choose: Callable[[Sequence[Quickening]], Any] = lambda quickenings: choose_forward(
            self.module, reference, checkpoint.pad_token_id, probe_pairs(encoder), lambda: quickenings
        )
        pairs = encoder.encode([Pair(query, text) for query in ("lamp", "How long?") for text in tiny_models.CORPUS])
        self.batches: list[Sequence[EncodedPair]] = [pairs, pairs[:1], pairs[2:5], pairs[::-1]]
        self.expected = torch.cat([reference(batch) for batch in self.batches])
        assert self.expected.std() > 1e-2, "scores too close together to tell anything"

    def assert_scores_stay(self, way: Any) -> None:
        assert isinstance(way, PackedCausalForward)
        scores = torch.cat([way(batch) for batch in self.batches])
        torch.testing.assert_close(scores, self.expected, rtol=0, atol=1e-4)

    def norms(self) -> set[str]:
        """Classes of them."""
        return {type(part).__name__ for part in self.module.modules() if type(part).__name__.endswith("RMSNorm")}


@pytest.mark.parametrize("name", UNLIKE_FAMILIES)
def test_norms_are_torchs_own(name: str, tiny_models: Any, tmp_path: Path) -> None:
    """All of them, whether weights are counted from 0 or from 1."""
    family, config = CAUSAL_FAMILIES[name]
    loaded = Loaded(tmp_path, tiny_models, family, **config)
    assert loaded.norms() != {"RMSNorm"}
    way = loaded.choose([FusedNorms()])
    assert loaded.norms() == {"RMSNorm"}
    loaded.assert_scores_stay(way)


@pytest.mark.slow
@pytest.mark.usefixtures("compiling")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own compiler uses it
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs the compiler that torch compiles with for a CPU")
def test_layers_are_compiled_once_for_batches_of_all_sizes(tiny_models: Any, tmp_path: Path) -> None:
    """Kernels are kept in the folder that was named; no batch is compiled for while requests wait, in no thread."""
    from torch._dynamo.utils import counters

    loaded = Loaded(tmp_path / "model", tiny_models)
    counters.clear()
    way = loaded.choose([CompiledLayers(tmp_path / "compiled"), FusedNorms()])
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 0
    assert any((tmp_path / "compiled").iterdir())
    assert loaded.norms() != {"RMSNorm"}, "one change was enough"
    torch.compiler.set_stance("fail_on_recompile")
    loaded.assert_scores_stay(way)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(loaded.assert_scores_stay, way).result()
    assert counters["stats"]["unique_graphs"] == graphs


@pytest.mark.usefixtures("compiling")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_where_nothing_can_be_compiled_the_next_change_is_made(
    tiny_models: Any, tmp_path: Path, package_log: pytest.LogCaptureFixture
) -> None:
    """As where the file system may not be written to; one line says what is missed."""
    loaded = Loaded(tmp_path / "model", tiny_models)
    (tmp_path / "file").touch()
    way = loaded.choose([CompiledLayers(tmp_path / "file" / "compiled"), FusedNorms()])
    (record,) = package_log.records
    assert record.message.startswith("passes are slower than they could be: compiled layers fail here with ")
    assert loaded.norms() == {"RMSNorm"}
    loaded.assert_scores_stay(way)


@pytest.mark.parametrize(("compile_layers", "compiles"), [(True, True), (False, False), (None, False)])
def test_what_is_compiled_is_for_the_options_to_say_or_for_the_host(
    compile_layers: bool | None,  # noqa: FBT001 - a parameter of the test
    compiles: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
    package_log: pytest.LogCaptureFixture,
) -> None:
    """Where neither has a compiler, a line says what one would bring."""
    package_log.set_level(logging.INFO, logger="bentorank")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert bool(compiled_layers(EngineOptions("model", compile_layers=compile_layers))) is compiles
    said = [record.message for record in package_log.records]
    expected = "layers are not compiled, which would make passes faster: there is no C compiler"
    assert said == ([expected] if compile_layers is None else [])


class Louder:
    """A change that moves scores."""

    name = "louder layers"

    def apply(self, model: Any) -> None:
        """Twice as loud."""
        model.base_model.norm.weight.data *= 2

    def keep(self) -> None:
        """It is not to be."""
        raise AssertionError

    def undo(self, model: Any) -> None:
        """As it was."""
        model.base_model.norm.weight.data /= 2


def test_a_change_that_moves_scores_is_taken_back(
    tiny_models: Any, tmp_path: Path, package_log: pytest.LogCaptureFixture
) -> None:
    """And told."""
    loaded = Loaded(tmp_path, tiny_models)
    loaded.assert_scores_stay(loaded.choose([Louder()]))
    (record,) = package_log.records
    assert record.message.startswith("passes are slower than they could be: louder layers move logits by ")


@pytest.mark.gpu
@pytest.mark.usefixtures("compiling")
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.skipif(not GPU_COMPILES, reason="needs a GPU that torch's variable-length attention runs on, and gcc")
@pytest.mark.parametrize("name", UNLIKE_FAMILIES)
def test_a_gpu_runs_compiled_layers_in_batches_of_all_sizes(
    name: str, tiny_models: Any, tmp_path: Path, package_log: pytest.LogCaptureFixture
) -> None:
    """Recorded or launched; in bf16 about two digits are those of the CPU in f32."""
    family, config = CAUSAL_FAMILIES[name]
    loaded = Loaded(tmp_path / "model", tiny_models, family, **config)
    options = EngineOptions(
        str(tmp_path / "model"),
        EngineKind.TORCH,
        device="cuda",
        precision=Precision.BF16,
        compile_layers=True,
        cache_dir=tmp_path,
    )
    engine = load_engine(options)
    torch.compiler.set_stance("fail_on_recompile")
    engine.warm_up()
    scores = np.concatenate([engine.forward(batch) for batch in loaded.batches])
    np.testing.assert_allclose(scores, loaded.expected.numpy(), rtol=0.05, atol=0.1)
    assert any((tmp_path / "compiled").iterdir())
    assert not package_log.records
