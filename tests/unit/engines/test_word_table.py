"""A model's own word embeddings, read from its weights, and the first stage that goes by them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from bentorank.cascade.embeddings import sift_by_words
from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.encoding_in_parts import Watch
from bentorank.engines.word_table import WordTable, open_word_table
from bentorank.errors import DeadlineExceededError, DocumentTooLongError, PayloadTooLargeError, UnavailableError
from bentorank.types import LengthPolicy, Overflow

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.engines import Engine

QUERY = "The river in the kitchen"
LIKE = "A river delta forms where sediment settles in slow water, and the kitchen is warm."
UNLIKE = ["Le marché ouvre à sept heures et ferme à midi.", "数据库 索引 加快 查询 速度"]


def open_both(folder: Path) -> tuple[Engine, WordTable]:
    engine = load_engine(EngineOptions(str(folder), EngineKind.TORCH, precision=Precision.F32, device="cpu", threads=1))
    table = open_word_table(open_checkpoint(str(folder)))
    assert table is not None
    return engine, table


def expected_directions(rows: torch.Tensor, ids: list[int]) -> Any:
    floats = rows.float().numpy()
    centred = floats[ids] - floats.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_rows_are_read_as_they_are_stored(tiny_models: Any, tmp_path: Path, dtype: torch.dtype) -> None:
    """From the mean, and of unit length, in any of the formats in which weights come."""
    tiny_models.build_bert(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = {name: tensor.to(dtype) for name, tensor in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    table = open_word_table(open_checkpoint(str(tmp_path)))
    assert table is not None
    rows = weights["bert.embeddings.word_embeddings.weight"]
    ids = [0, 5, len(rows) - 1, 5]
    assert table.size == len(rows)
    np.testing.assert_allclose(table.directions(np.array(ids)), expected_directions(rows, ids), atol=1e-5)


def test_they_are_found_in_the_part_that_has_them(tiny_models: Any, tmp_path: Path) -> None:
    """Where the weights are split into files."""
    tiny_models.build_bert(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    table = open_word_table(open_checkpoint(str(tmp_path)))
    assert table is not None
    rows = model.get_input_embeddings().weight.detach()
    np.testing.assert_allclose(table.directions(np.array([7, 9])), expected_directions(rows, [7, 9]), atol=1e-5)


def test_where_none_are_to_be_told_there_are_none(tiny_models: Any, tmp_path: Path) -> None:
    """A table of fewer rows than the vocabulary is another."""
    tiny_models.build_bert(tmp_path)
    checkpoint = open_checkpoint(str(tmp_path))
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    weights["bert.embeddings.word_embeddings.weight"] = weights["bert.embeddings.word_embeddings.weight"][:10].clone()
    save_file(weights, file, metadata={"format": "pt"})
    assert open_word_table(checkpoint) is None


@pytest.mark.parametrize(
    "family",
    [
        "bert",
        "xlm-roberta",
        "causal",
        *(pytest.param(name, marks=pytest.mark.families) for name in ("deberta-v2", "modernbert")),
    ],
)
def test_only_the_passage_s_own_words_are_matched(
    tiny_models: Any, tiny_model: Any, tmp_path: Path, family: str
) -> None:
    """Whatever stands around it in a template: what has the query's words comes first, and the query itself whole."""
    if family == "causal":
        tiny_models.build_causal(tmp_path)
    folder = tmp_path if family == "causal" else tiny_model(family)
    engine, table = open_both(folder)
    sifted = sift_by_words(engine, table, QUERY, [*UNLIKE, LIKE, QUERY], LengthPolicy())
    *others, like, itself = sifted.scores
    assert like is not None
    assert itself is not None
    assert itself > 0.95
    assert itself >= like > max(score for score in others if score is not None)
    assert sifted.pairs == 4
    alone = sift_by_words(engine, table, QUERY, [LIKE], LengthPolicy())
    assert alone.tokens == sifted.tokens - sift_by_words(engine, table, QUERY, [*UNLIKE, QUERY], LengthPolicy()).tokens


def test_a_split_document_has_its_best_chunk(tiny_model: Any) -> None:
    """And one that is cut only what is left of it."""
    engine, table = open_both(tiny_model("bert"))
    long = f"{' '.join(UNLIKE) * 8} {LIKE}"
    cut, split = (
        sift_by_words(engine, table, QUERY, [long], LengthPolicy(overflow=overflow)).scores[0]
        for overflow in (Overflow.TRUNCATE, Overflow.CHUNK)
    )
    assert cut is not None
    assert split is not None
    assert split > cut


def test_many_passages_are_read_some_at_a_time(tiny_model: Any) -> None:
    """Each has the score that it has among as many others; what does not fit is told by its own place."""
    engine, table = open_both(tiny_model("bert"))
    few = sift_by_words(engine, table, QUERY, [LIKE, *UNLIKE], LengthPolicy())
    many = sift_by_words(engine, table, QUERY, [LIKE, *UNLIKE] * 50, LengthPolicy())
    assert many.pairs == 50 * few.pairs
    assert many.tokens == 50 * few.tokens
    assert many.scores == [*many.scores[: few.pairs]] * 50
    with pytest.raises(DocumentTooLongError, match=r"documents\[140\]"):
        sift_by_words(engine, table, QUERY, [*[LIKE] * 140, LIKE * 200], LengthPolicy(overflow=Overflow.ERROR))


def test_it_ends_where_it_is_too_much_or_nobody_waits(tiny_model: Any) -> None:
    engine, table = open_both(tiny_model("bert"))
    with pytest.raises(PayloadTooLargeError, match="27000 tokens to score, more than the limit of 1000"):
        sift_by_words(engine, table, QUERY, [LIKE] * 1000, LengthPolicy(), Watch(max_tokens=1000))
    with pytest.raises(DeadlineExceededError):
        sift_by_words(engine, table, QUERY, [LIKE], LengthPolicy(), Watch(is_over=True))


def test_weights_that_are_overwritten_are_not_read(tiny_model: Any, tmp_path: Path) -> None:
    """To read what they have lost would end the process; another file in their place does no harm."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("bert"), folder)
    weights = folder / "model.safetensors"
    engine, table = open_both(folder)
    expected = sift_by_words(engine, table, QUERY, [LIKE], LengthPolicy()).scores
    whole = weights.read_bytes()
    weights.rename(tmp_path / "old")
    weights.write_bytes(whole)
    assert sift_by_words(engine, table, QUERY, [LIKE], LengthPolicy()).scores == expected
    with (tmp_path / "old").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(UnavailableError, match="was changed while it is served"):
        sift_by_words(engine, table, QUERY, [LIKE], LengthPolicy())
