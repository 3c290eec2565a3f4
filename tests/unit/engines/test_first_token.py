"""A head that reads the first token gets a last layer that computes it alone; any other head keeps all tokens."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
import pytest
import torch

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.openvino.conversion import convert
from bentorank.types import Pair

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = 3
TOKENS = 24


def tokens_of_linear_layers(model: Any) -> list[int]:
    """For each product of hidden states with a matrix, in order, of how many tokens it is computed."""
    model.reshape({model_input: [PAIRS, TOKENS] for model_input in model.inputs})
    products = [op for op in model.get_ordered_ops() if op.get_type_name() == "MatMul"]
    shapes = [list(op.get_output_shape(0)) for op in products if len(op.input_value(1).shape) == 2]
    return [shape[1] for shape in shapes if len(shape) == 3]


def converted_model(folder: Path, target: Path) -> Any:
    target.mkdir()
    with warnings.catch_warnings(action="ignore"):  # torch comments on what it traces
        convert(open_checkpoint(str(folder)), target, quantize=False)
    return openvino.Core().read_model(target / "model.xml")


def test_the_last_layer_of_bert_is_computed_for_one_token(tiny_models: Any, tmp_path: Path) -> None:
    """Query, projection and both halves of the feed-forward; keys and values are still of all tokens."""
    tiny_models.build_bert(tmp_path / "bert", num_hidden_layers=2)
    tokens = tokens_of_linear_layers(converted_model(tmp_path / "bert", tmp_path / "ir"))
    assert tokens[:6] == [TOKENS] * 6
    assert sorted(tokens[6:]) == [1, 1, 1, 1, TOKENS, TOKENS]


@pytest.mark.families
def test_a_head_that_reads_all_tokens_keeps_them(tiny_models: Any, tmp_path: Path) -> None:
    """ModernBERT with mean pooling: nothing is cut, and the scores are those of sentence-transformers."""
    folder = tmp_path / "modernbert"
    tiny_models.build_modernbert(folder, classifier_pooling="mean")
    assert set(tokens_of_linear_layers(converted_model(folder, tmp_path / "ir"))) == {TOKENS}

    engine = load_engine(
        EngineOptions(str(folder), EngineKind.OPENVINO, precision=Precision.F32, threads=1, cache_dir=tmp_path)
    )
    texts = [("lighthouse lamp", passage) for passage in tiny_models.CORPUS]
    logits = engine.forward(engine.encode([Pair(*pair) for pair in texts]))
    expected = tiny_models.reference(folder).predict(texts, activation_fn=torch.nn.Identity())
    assert logits == pytest.approx(expected, abs=1e-4)
    assert np.std(expected) > 0.01
