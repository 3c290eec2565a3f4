"""A model that is not all there is refused by name: it would start with random weights or read no word."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = "model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


# A conversion comes after the same checks, and takes ten seconds.
both_engines = pytest.mark.parametrize(
    "kind", [EngineKind.TORCH, pytest.param(EngineKind.OPENVINO, marks=pytest.mark.families)]
)


@pytest.fixture
def folder(tiny_model: Any, tmp_path: Path) -> Path:
    """A copy of the BERT model, to be broken."""
    shutil.copytree(tiny_model("bert"), tmp_path / "bert")
    return tmp_path / "bert"


def refusal(folder: Path, kind: EngineKind = EngineKind.TORCH) -> str:
    """What is said of the model, by an engine that has not met it before."""
    cache_dir = folder.parent / "cache"
    options = EngineOptions(str(folder), kind, device="cpu", precision=Precision.F32, cache_dir=cache_dir)
    with pytest.raises(ConfigurationError) as refused:
        load_engine(options)
    return refused.value.message


def keep(folder: Path, wanted: Callable[[str], bool]) -> None:
    """Only those tensors."""
    weights = load_file(folder / WEIGHTS)
    save_file({name: tensor for name, tensor in weights.items() if wanted(name)}, folder / WEIGHTS, {"format": "pt"})


@pytest.mark.parametrize("part", ["encoder.layer.2", "pooler", "classifier"])
def test_missing_weights_are_named(folder: Path, part: str) -> None:
    """Layers, pooler and head alike would be other ones at each start."""
    keep(folder, lambda name: part not in name)
    said = refusal(folder)
    assert "of its weights, which would be random" in said
    assert part in said


def test_openvino_says_the_same_of_missing_weights(folder: Path) -> None:
    """Found while converting, and not taken for something that OpenVINO cannot convert."""
    keep(folder, lambda name: "classifier" not in name)
    said = refusal(folder, EngineKind.OPENVINO)
    assert said == refusal(folder)
    assert "try the torch engine" not in said


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    """A config.json of another size of the same family."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    assert "other shapes than its config.json says: bert.encoder.layer.0.intermediate" in refusal(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    """One is enough to make scores of some texts NaN."""
    weights = load_file(folder / WEIGHTS)
    weights["bert.embeddings.word_embeddings.weight"][7, 3] = torch.tensor(value)
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    assert "no finite numbers: bert.embeddings.word_embeddings.weight" in refusal(folder)


@both_engines
def test_a_missing_tokenizer_is_refused(folder: Path, kind: EngineKind) -> None:
    """transformers would make up one that reads every word as unknown."""
    for file in folder.glob("*token*"):
        file.unlink()
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 96}')
    assert "has no tokenizer: no tokenizer.json" in refusal(folder, kind)


def test_a_vocabulary_that_was_cut_off_is_refused(folder: Path) -> None:
    """Only the special tokens are left of it."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {token: place for token, place in vocabulary.items() if place < 5}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "its vocabulary was cut off or is another model's" in refusal(folder)


def test_a_tokenizer_of_a_larger_model_is_refused(folder: Path) -> None:
    """Its ids would lie outside of the embedding table."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["lighthouses"] = 5000
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "gives ids up to 5000, and its embedding table ends at" in refusal(folder)


@pytest.mark.parametrize("file", [WEIGHTS, "tokenizer.json", "config.json"])
@both_engines
def test_a_git_lfs_pointer_is_called_by_its_name(folder: Path, file: str, kind: EngineKind) -> None:
    """And the sentence says what to run."""
    (folder / file).write_bytes(POINTER)
    said = refusal(folder, kind)
    assert f"the model's {file} is a Git LFS pointer and not the file: run `git lfs pull`" in said


@pytest.mark.parametrize("kept", [5, 100, 20_000])
def test_weights_that_were_cut_off_say_how_long_they_are(folder: Path, kept: int) -> None:
    """In the length, in the header and in the data."""
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:kept])
    said = refusal(folder)
    assert f"{kept:,} bytes" in said
    assert kept < 20_000 or f"its header says {len(whole):,}" in said


def test_a_missing_shard_is_named(folder: Path) -> None:
    """As a download that was interrupted leaves them; whole, the shards are a model."""
    weights = load_file(folder / WEIGHTS)
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, kept in shards.items():
        save_file({name: weights[name] for name in kept}, folder / shard, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: shard for shard, kept in shards.items() for name in kept}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()
    load_engine(EngineOptions(str(folder), EngineKind.TORCH, device="cpu"))
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "lacks its weights in model-00002-of-00002.safetensors" in refusal(folder)


def test_an_adapter_is_refused(folder: Path) -> None:
    """Its base model is somewhere else."""
    (folder / "adapter_config.json").write_text("{}")
    assert "is an adapter (PEFT): merge it" in refusal(folder)


@both_engines
def test_a_model_that_gives_one_score_to_all_is_refused(folder: Path, kind: EngineKind) -> None:
    """All its weights are there, and it cannot rank."""
    weights = load_file(folder / WEIGHTS)
    weights["classifier.weight"] = torch.zeros_like(weights["classifier.weight"])
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    assert "gives every pair the same score" in refusal(folder, kind)


@both_engines
def test_a_model_whose_scores_overflow_is_refused(folder: Path, kind: EngineKind) -> None:
    """Finite weights do not make finite scores."""
    weights = load_file(folder / WEIGHTS)
    for name in ("classifier.weight", "bert.pooler.dense.weight"):
        weights[name] = torch.full_like(weights[name], 3e38)
    weights["classifier.bias"] = torch.full_like(weights["classifier.bias"], 3e38)
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    assert "scores are not finite in f32; try BENTORANK_PRECISION=f32, or another model" in refusal(folder, kind)
