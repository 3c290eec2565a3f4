"""A model's files are data: whatever code they carry or name is never run, in either engine."""

from __future__ import annotations

import json
import pickle
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from bentorank.engines import EngineKind, EngineOptions, load_engine
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = [EngineKind.TORCH, EngineKind.OPENVINO]


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        import os

        return os.mkdir, (str(self._mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A folder that is there once code of the model has run."""
    return tmp_path / "ran"


@pytest.fixture
def folder(tiny_model: Any, tmp_path: Path, mark: Path) -> Path:
    """A model beside pickles and Python files that leave the mark."""
    copy = tmp_path / "model"
    shutil.copytree(tiny_model("bert"), copy)
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "scheduler.pt"):
        (copy / name).write_bytes(pickle.dumps(Bomb(mark)))
    for name in ("modeling.py", "modeling_bert.py", "tokenization.py", "configuration.py", "__init__.py", "setup.py"):
        (copy / name).write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    return copy


def _load(folder: Path, engine: EngineKind, cache_dir: Path) -> Any:
    return load_engine(EngineOptions(model=str(folder), engine=engine, device="cpu", cache_dir=cache_dir))


def _edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("engine", ENGINES)
def test_pickled_weights_alone_are_refused(folder: Path, mark: Path, tmp_path: Path, engine: EngineKind) -> None:
    """In a sentence that says what is wanted, without reading them."""
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigurationError, match="no safetensors weights; pickled ones are not loaded"):
        _load(folder, engine, tmp_path / "cache")
    assert not mark.exists()


@pytest.mark.parametrize("engine", ENGINES)
def test_code_that_a_model_asks_for_is_not_run(folder: Path, mark: Path, tmp_path: Path, engine: EngineKind) -> None:
    """`auto_map` in its configuration is refused."""
    _edit(folder / "config.json", auto_map={"AutoModelForSequenceClassification": "modeling.Custom"})
    with pytest.raises(ConfigurationError, match="needs code from its repository, which is never run"):
        _load(folder, engine, tmp_path / "cache")
    assert not mark.exists()


def test_pickles_and_code_beside_good_weights_stay_unread(folder: Path, mark: Path, tmp_path: Path) -> None:
    """Also where the tokenizer's configuration, or that of sentence-transformers, names some."""
    _edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization.Custom", None]})
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"activation_fn": "modeling.Custom"}))
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "modeling.Custom"}]))
    assert _load(folder, EngineKind.TORCH, tmp_path / "cache").info.model == "model"
    assert not mark.exists()
