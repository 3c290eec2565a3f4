"""The shipped model in every engine and precision: the same scores, the same order."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.hardware import cpu_has_int8_dot_products, cpu_has_native_bf16
from bentorank.engines.openvino.ir_store import prebuilt_int8
from bentorank.types import ModelActivation, Pair

ROOT = Path(__file__).parents[3]
STARTER = ROOT / "models" / "starter"
SAMPLE = ROOT / "benchmarks" / "data" / "sample.json.gz"

TOLERANCES = {EngineKind.TORCH: 1e-5, EngineKind.OPENVINO: 1e-4}


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Claims and questions, each with passages of every length, some of them past the window."""
    sample = json.loads(gzip.decompress(SAMPLE.read_bytes()))
    passages = sample["passages"]
    texts = [*passages[:14], " ".join(passages[:6]), "", "[SEP] and [CLS]"]
    return [Pair(query, passage) for query in sample["queries"][:3] for passage in texts]


@pytest.fixture(scope="module")
def expected(pairs: list[Pair]) -> np.ndarray:
    """The logits of sentence-transformers."""
    model = CrossEncoder(str(STARTER), device="cpu", local_files_only=True)
    texts = [(pair.query, pair.passage) for pair in pairs]
    return model.predict(texts, activation_fn=torch.nn.Identity(), show_progress_bar=False)


@pytest.mark.parametrize("kind", [EngineKind.OPENVINO, pytest.param(EngineKind.TORCH, marks=pytest.mark.families)])
def test_single_precision_equals_sentence_transformers(
    kind: EngineKind, pairs: list[Pair], expected: np.ndarray, cache_dir: Path
) -> None:
    """Within the tolerance that the engine promises, together and alone, cut passages included."""
    options = EngineOptions(str(STARTER), kind, precision=Precision.F32, device="cpu", cache_dir=cache_dir)
    engine = load_engine(options)
    encoded = engine.encode(pairs)
    assert any(pair.truncated for pair in encoded)
    np.testing.assert_allclose(engine.forward(encoded), expected, rtol=0, atol=TOLERANCES[kind])
    alone = np.concatenate([engine.forward([pair]) for pair in encoded[:17]])
    np.testing.assert_allclose(alone, expected[:17], rtol=0, atol=TOLERANCES[kind])


def test_int8_is_what_auto_serves_and_stays_close(pairs: list[Pair], expected: np.ndarray) -> None:
    """Rounded weights move logits by a tenth at most; so do activations, where the CPU computes in less than f32."""
    engine = load_engine(EngineOptions(str(STARTER), EngineKind.OPENVINO))
    encoded = engine.encode(pairs)
    assert engine.info.precision == "int8"
    tolerance = 0.3 if cpu_has_native_bf16() or cpu_has_int8_dot_products() else 0.1
    np.testing.assert_allclose(engine.forward(encoded), expected, rtol=0, atol=tolerance)


def test_int8_scores_short_pairs_as_long_ones(pairs: list[Pair]) -> None:
    """A pair's logit depends neither on its own width nor on that of the pairs beside it."""
    short = [Pair(pair.query[:60], pair.passage[:80]) for pair in pairs if pair.passage]
    exact = load_engine(EngineOptions(str(STARTER), EngineKind.TORCH, precision=Precision.F32, device="cpu"))
    engine = load_engine(EngineOptions(str(STARTER), EngineKind.OPENVINO))
    encoded = [pair for pair in engine.encode(short) if pair.length <= 32]
    assert len(encoded) >= 20
    narrow = engine.forward(encoded)
    wide = engine.forward([*encoded, *engine.encode([pairs[0]])])[: len(encoded)]
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=1e-3)
    np.testing.assert_allclose(narrow, exact.forward(encoded), rtol=0, atol=0.3)


def test_streams_side_by_side_give_what_one_gives(pairs: list[Pair]) -> None:
    """Bit for bit, on two threads at once."""
    one = load_engine(EngineOptions(str(STARTER), EngineKind.OPENVINO, threads=1))
    two = load_engine(EngineOptions(str(STARTER), EngineKind.OPENVINO, threads=2, streams=2))
    batches = [one.encode(pairs[start : start + 4]) for start in range(0, 24, 4)]
    with ThreadPoolExecutor(two.info.streams) as pool:
        together = list(pool.map(two.forward, batches))
    for batch, logits in zip(batches, together, strict=True):
        np.testing.assert_array_equal(logits, one.forward(batch))


def test_the_files_are_what_they_are_said_to_be() -> None:
    """A window of 512, the sigmoid that it was trained for, int8 beside the weights, under 75 MB together."""
    checkpoint = open_checkpoint(str(STARTER))
    assert checkpoint.max_tokens == 512
    assert checkpoint.activation is ModelActivation.SIGMOID
    int8 = prebuilt_int8(checkpoint)
    assert int8 is not None
    size = sum(file.stat().st_size for file in {*checkpoint.weight_files(), *int8.files})
    assert size < 75e6
