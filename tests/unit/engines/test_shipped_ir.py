"""An OpenVINO model shipped beside the weights: both of its files, whole, or a sentence that names the one at fault."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bentorank.engines import EngineKind, EngineOptions, load_engine
from bentorank.engines.openvino.provenance import RECORD, digests
from bentorank.errors import ConfigurationError

STARTER = Path(__file__).parents[3] / "models" / "starter"
INT8 = STARTER / "openvino"
# The least of a layer's matrices: in int8, 384 by 384.
LAYER_BYTES = 384 * 384


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the starter, to be broken."""
    (tmp_path / "openvino").mkdir()
    for file in STARTER.glob("*.json"):
        shutil.copy(file, tmp_path)
    for name in ("model.safetensors", "openvino/int8.xml", "openvino/int8.bin"):
        shutil.copy(STARTER / name, tmp_path / name)
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_engine(EngineOptions(str(folder), EngineKind.OPENVINO, cache_dir=folder / "cache"))
    return refused.value.message


@pytest.mark.parametrize(("gone", "left"), [("int8.bin", "int8.xml"), ("int8.xml", "int8.bin")])
def test_half_of_one_is_refused(folder: Path, gone: str, left: str) -> None:
    """It was ignored, and the model converted anew."""
    (folder / "openvino" / gone).unlink()
    assert refusal(folder) == f"the model's openvino/{left} is there without {gone}: copy both"


def test_weights_that_were_cut_off_are_refused(folder: Path) -> None:
    """By their length, and that which the structure reads."""
    weights = folder / "openvino" / "int8.bin"
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert f"openvino/int8.bin has {size - 1000} bytes, and int8.xml reads {size}" in refusal(folder)


def test_a_structure_that_was_cut_off_is_refused(folder: Path) -> None:
    """Instead of OpenVINO's own words for it."""
    xml = folder / "openvino" / "int8.xml"
    xml.write_bytes(xml.read_bytes()[:5000])
    assert refusal(folder) == "the model's openvino/int8.xml was cut off after 5000 bytes"


def test_what_git_lfs_left_is_refused(folder: Path) -> None:
    """A pointer is no model."""
    (folder / "openvino" / "int8.bin").write_bytes(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    assert "int8.bin is a Git LFS pointer" in refusal(folder)


@pytest.mark.parametrize("place", [0.5, 0.999], ids=["a layer in the middle", "the head"])
@pytest.mark.parametrize("swapped", ["openvino/int8.bin", "model.safetensors"])
def test_files_of_another_model_are_refused(folder: Path, swapped: str, place: float) -> None:
    """Of the same shapes: by the digests that an export records; without them nobody could tell."""
    options = EngineOptions(str(folder), EngineKind.OPENVINO, cache_dir=folder / "cache")
    record = folder / RECORD
    record.write_text(json.dumps({"files": digests(folder)}))
    load_engine(options)
    weights = bytearray((folder / swapped).read_bytes())
    start = round(len(weights) * place)
    weights[start : start + LAYER_BYTES] = bytes(byte ^ 1 for byte in weights[start : start + LAYER_BYTES])
    (folder / swapped).write_bytes(weights)
    assert f"has a {swapped} that is not the one that was exported with the rest of openvino/" in refusal(folder)
    record.write_text("{}")
    load_engine(options)


@pytest.mark.parametrize("content", ["{", "[]", '{"files": []}', '{"hints": 1}'])
def test_a_record_that_cannot_be_read_is_refused(folder: Path, content: str) -> None:
    """A model of another checkpoint would rank in silence."""
    (folder / RECORD).write_text(content)
    assert "openvino/export.json, which tells what belongs together, cannot be read" in refusal(folder)
