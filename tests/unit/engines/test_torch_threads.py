"""The torch engine on several threads at a time, as the scheduler calls one that prefetches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.types import Pair

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])])
def test_batches_on_two_threads_score_as_one_after_the_other(device: str, tiny_model: Any, tiny_models: Any) -> None:
    """Neither thread gets the other's scores, or scores that have not arrived yet."""
    options = EngineOptions(str(tiny_model("bert")), EngineKind.TORCH, device=device, precision=Precision.F32)
    engine = load_engine(options)
    texts = [*tiny_models.CORPUS, "", "long " * 100]
    batches = [engine.encode([Pair("lighthouse lamp", text)] * count) for text in texts for count in (1, 7)]
    alone = [engine.forward(batch) for batch in batches]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(engine.forward, batches))
    for expected, scores in zip(alone, together, strict=True):
        np.testing.assert_array_equal(scores, expected)


def test_one_batch_is_prefetched_on_a_gpu_and_none_on_a_cpu(tiny_model: Any) -> None:
    """On a CPU a batch that is taken early gains nothing, and is planned too early."""
    engine = load_engine(EngineOptions(str(tiny_model("bert")), EngineKind.TORCH, device="auto"))
    assert engine.info.prefetches == (torch.device(engine.info.device).type == "cuda")
