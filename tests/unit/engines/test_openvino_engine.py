"""What OpenVINO adds: conversion and its cache, rounded precisions, a process without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
import pytest

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.cores import usable_cores
from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.engines.openvino.ir_store import stored_model
from bentorank.errors import ConfigurationError
from bentorank.types import Pair

if TYPE_CHECKING:
    from pathlib import Path

LOAD_WITHOUT_TORCH = """
import sys
from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.types import Pair
from pathlib import Path
engine = load_engine(EngineOptions(
    model=sys.argv[1], engine=EngineKind.OPENVINO, precision=Precision.F32, cache_dir=Path(sys.argv[2])))
engine.forward(engine.encode([Pair("query", "passage")]))
heavy = {"torch", "transformers", "sentence_transformers", "nncf"} & set(sys.modules)
assert not heavy, heavy
assert sys.modules["openvino_telemetry"] is None
assert "openvino.tools.ovc" not in sys.modules
"""


def _options(folder: Path, cache_dir: Path, precision: Precision) -> EngineOptions:
    return EngineOptions(model=str(folder), engine=EngineKind.OPENVINO, precision=precision, cache_dir=cache_dir)


def _pairs(corpus: list[str]) -> list[Pair]:
    return [Pair("lighthouse lamp", passage) for passage in corpus]


def test_a_second_start_imports_no_torch_and_sends_no_telemetry(converted: Any, cache_dir: Path) -> None:
    """Once converted, a model is served by tokenizers, numpy and openvino alone, which leaves out its converter."""
    folder = converted("bert")
    command = [sys.executable, "-c", LOAD_WITHOUT_TORCH, str(folder), str(cache_dir)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr


@pytest.mark.slow
def test_concurrent_starters_share_one_conversion(tiny_model: Any, tmp_path: Path) -> None:
    """Two starters get the same complete model, and no scratch folder stays behind."""
    checkpoint = open_checkpoint(str(tiny_model("bert")))
    with ThreadPoolExecutor(2) as starters:
        models = list(starters.map(lambda _: stored_model(checkpoint, Precision.F32, tmp_path), range(2)))
    assert models[0] == models[1]
    assert all(file.exists() for file in models[0].files)
    assert [path for path in (tmp_path / "openvino").iterdir() if path.is_dir()] == [models[0].xml.parent]


@pytest.mark.skipif(not cpu_has_native_bf16(), reason="this CPU would emulate bf16")
def test_bf16_is_chosen_where_native_and_stays_close(converted: Any, tiny_models: Any, cache_dir: Path) -> None:
    """`auto` without a shipped int8 model is bf16, which keeps about two digits."""
    folder = converted("bert")
    rounded = load_engine(_options(folder, cache_dir, Precision.AUTO))
    exact = load_engine(_options(folder, cache_dir, Precision.F32))
    encoded = exact.encode(_pairs(tiny_models.CORPUS))
    assert rounded.info.precision == "bf16"
    assert rounded.info.fingerprint != exact.info.fingerprint
    np.testing.assert_allclose(rounded.forward(encoded), exact.forward(encoded), rtol=0, atol=0.1)


def test_int8_is_built_once_and_a_shipped_one_is_preferred(
    tiny_model: Any, tiny_models: Any, cache_dir: Path, tmp_path: Path
) -> None:
    """NNCF makes the int8 model; the same files shipped as openvino/int8.xml are found by `auto`."""
    folder = tiny_model("bert")
    built = load_engine(_options(folder, cache_dir, Precision.INT8))
    stored = stored_model(open_checkpoint(str(folder)), Precision.INT8, cache_dir)
    shipped_folder = tmp_path / "shipped"
    (shipped_folder / "openvino").mkdir(parents=True)
    for file in folder.iterdir():
        (shipped_folder / file.name).write_bytes(file.read_bytes())
    for suffix in (".xml", ".bin"):
        (shipped_folder / "openvino" / f"int8{suffix}").write_bytes(stored.xml.with_suffix(suffix).read_bytes())
    shipped = load_engine(_options(shipped_folder, tmp_path / "unused", Precision.AUTO))
    encoded = shipped.encode(_pairs(tiny_models.CORPUS))
    assert (built.info.precision, shipped.info.precision) == ("int8", "int8")
    assert not (tmp_path / "unused").exists()
    np.testing.assert_array_equal(shipped.forward(encoded), built.forward(built.encode(_pairs(tiny_models.CORPUS))))


def test_impossible_requests_are_refused(tiny_model: Any, cache_dir: Path) -> None:
    """OpenVINO has no f16 on the CPU and no GPU here."""
    folder = tiny_model("bert")
    with pytest.raises(ConfigurationError, match="f16"):
        load_engine(_options(folder, cache_dir, Precision.F16))
    with pytest.raises(ConfigurationError, match="cuda"):
        load_engine(EngineOptions(model=str(folder), engine=EngineKind.OPENVINO, device="cuda", cache_dir=cache_dir))


@pytest.fixture
def told_threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that OpenVINO is told to use, for each model that it compiles."""
    compile_model, told = openvino.Core.compile_model, []

    def watched(core: openvino.Core, model: Any, device: str, config: dict[str, Any]) -> Any:
        told.append(config["INFERENCE_NUM_THREADS"])
        return compile_model(core, model, device, config)

    monkeypatch.setattr(openvino.Core, "compile_model", watched)
    return told


@pytest.mark.parametrize(("threads", "expected"), [(1, [1]), (5, [3, 2]), (6, [2, 2, 1, 1])])
def test_streams_divide_all_threads(
    converted: Any, cache_dir: Path, told_threads: list[int], threads: int, expected: list[int]
) -> None:
    """None is left over."""
    options = _options(converted("bert"), cache_dir, Precision.F32)
    engine = load_engine(replace(options, threads=threads, streams=len(expected)))
    assert told_threads == expected
    assert engine.info.streams == len(expected)


def test_more_streams_than_cores_have_a_thread_each(converted: Any, cache_dir: Path, told_threads: list[int]) -> None:
    """No thread would not be none to OpenVINO, but as many as there are cores."""
    streams = usable_cores() + 1
    load_engine(replace(_options(converted("bert"), cache_dir, Precision.F32), streams=streams))
    assert told_threads == [1] * streams


def test_more_streams_than_memory_holds_are_refused(converted: Any, cache_dir: Path) -> None:
    """Before any is there."""
    options = _options(converted("bert"), cache_dir, Precision.F32)
    with pytest.raises(ConfigurationError, match="streams is 1024, each of which holds the weights"):
        load_engine(replace(options, streams=1024, host_share=1e-7))


def test_a_conversion_that_is_killed_says_what_may_have_done_it(
    tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel kills one that memory does not suffice for; here it kills itself."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    options = EngineOptions(str(tiny_model("bert")), EngineKind.OPENVINO, cache_dir=tmp_path / "cache")
    with pytest.raises(ConfigurationError, match="was killed, most likely for want of memory"):
        load_engine(options)
    assert not list((tmp_path / "cache" / "openvino").glob("*/"))
