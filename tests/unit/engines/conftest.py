"""Tiny models, built once a session, and a cache of conversions that they share."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from support import varlen_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def _load_tiny_models() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).with_name("tiny_models.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny models are not worth the waiting of threads for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def varlen_attention_on_cpu() -> None:
    """Torch has that kernel on CUDA alone: the only thing that is not as it is on a GPU."""
    varlen_kernel.register()


@pytest.fixture(scope="session")
def tiny_models() -> Any:
    """The module of builders; under importlib mode test files cannot import their neighbours."""
    return _load_tiny_models()


@pytest.fixture(scope="session")
def tiny_model(tiny_models: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function from a family's name, and what its configuration has otherwise, to the folder of that model."""
    built: dict[str, Path] = {}

    def folder_of(family: str, **config: Any) -> Path:
        key = f"{family} {config}"
        if key not in built:
            built[key] = tmp_path_factory.mktemp("models") / family
            tiny_models.FAMILIES[family](built[key], **config)
        return built[key]

    return folder_of


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where converted models are kept, so that each is converted once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def converted(tiny_model: Any, cache_dir: Path) -> Any:
    """A function from a family's name to its folder, its f32 conversion being in the cache.

    Converts in this process, where torch is imported already; test_openvino_engine has it done in a process of its own.
    """
    # Not for all: the tests of torch on a GPU run where there is no OpenVINO.
    from support.conversion import convert_here

    def folder_of(family: str) -> Path:
        folder: Path = tiny_model(family)
        convert_here(folder, cache_dir)
        return folder.resolve()

    return folder_of


@pytest.fixture
def package_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The package's log lines, also after a test that has made a service, which keeps them from the root."""
    monkeypatch.setattr(logging.getLogger("bentorank"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="bentorank")
    return caplog
