"""Torch and OpenVINO score as sentence-transformers does, whatever a pair is batched with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.types import Pair

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.engines import Engine

FAMILIES = ["bert", "xlm-roberta", "modernbert", "deberta-v2", "distilbert"]
TOLERANCES = {EngineKind.TORCH: 1e-5, EngineKind.OPENVINO: 1e-4}

QUERIES = ["lighthouse lamp", "How long to learn?", "数据库"]


def _pairs(corpus: list[str]) -> list[Pair]:
    """Every length from nothing to far beyond the window."""
    passages = [*corpus, " ".join(corpus) * 2, "", "x", "[SEP] literally </s>"]
    return [Pair(query, passage) for query in QUERIES for passage in passages]


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


@pytest.fixture(params=[(kind, family) for family in FAMILIES for kind in TOLERANCES], ids=lambda p: f"{p[1]}-{p[0]}")
def case(request: Any, converted: Any, cache_dir: Path) -> tuple[Engine, Path, float]:
    """An engine in f32, its model's folder, and the tolerance it promises."""
    kind, family = request.param
    folder = converted(family)
    # One thread: with two, tiny matrices spend their time waiting for each other.
    options = EngineOptions(
        model=str(folder), engine=kind, precision=Precision.F32, device="cpu", threads=1, cache_dir=cache_dir
    )
    return load_engine(options), folder, TOLERANCES[kind]


def test_scores_equal_those_of_sentence_transformers(case: tuple[Engine, Path, float], tiny_models: Any) -> None:
    """Logits and probabilities agree with CrossEncoder.predict, truncated pairs included."""
    engine, folder, tolerance = case
    pairs = _pairs(tiny_models.CORPUS)
    texts = [(pair.query, pair.passage) for pair in pairs]
    model = tiny_models.reference(folder)
    # sentence-transformers overlooks that XLM-R's position table is longer than its window.
    model.max_seq_length = min(model.max_seq_length, engine.info.max_tokens)
    encoded = engine.encode(pairs)
    logits = engine.forward(encoded)
    assert sum(pair.truncated for pair in encoded) == len(QUERIES)
    assert logits.dtype == np.float32
    expected = model.predict(texts, activation_fn=torch.nn.Identity())
    assert np.std(expected) > 100 * tolerance, "scores too close together to tell anything"
    np.testing.assert_allclose(logits, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(_sigmoid(logits), model.predict(texts), rtol=0, atol=tolerance)


def test_score_does_not_depend_on_the_rest_of_the_batch(case: tuple[Engine, Path, float], tiny_models: Any) -> None:
    """Alone, together, or beside a pair as long as the window, a pair scores the same."""
    engine, _, tolerance = case
    encoded = engine.encode(_pairs(tiny_models.CORPUS))
    together = engine.forward(encoded)
    alone = np.concatenate([engine.forward([pair]) for pair in encoded])
    reversed_halves = np.concatenate([engine.forward(encoded[::2]), engine.forward(encoded[1::2])])
    np.testing.assert_allclose(alone, together, rtol=0, atol=tolerance)
    np.testing.assert_allclose(reversed_halves, np.concatenate([together[::2], together[1::2]]), rtol=0, atol=tolerance)


def test_warm_up_stays_within_the_window(case: tuple[Engine, Path, float]) -> None:
    """A model with a small window survives its warm-up."""
    case[0].warm_up()
