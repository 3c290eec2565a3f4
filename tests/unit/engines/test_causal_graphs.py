"""Rows of a language model filled up to a bucket score as they do by themselves; on a GPU recorded passes do, too."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from support.causal_families import CAUSAL_FAMILIES, UNLIKE_FAMILIES

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.torch.causal_buckets import CausalBucket
from bentorank.engines.torch.causal_packing import PackedCausalForward
from bentorank.engines.torch.causal_rows import gather, lay_out
from bentorank.engines.torch.engine import encoder_of, load_cross_encoder, reference_forward, transformers_module
from bentorank.engines.torch.forward import has_packing_kernel
from bentorank.engines.torch.graphs import BucketPass, GraphedForward, bucket_if_proven, graph_where_launch_bound
from bentorank.engines.warm_up import probe_pairs
from bentorank.types import EncodedPair, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

WINDOW = 200
BUCKETS = [CausalBucket(256, 8, WINDOW), CausalBucket(1024, 40, WINDOW)]

GPU_PACKS = torch.cuda.is_available() and has_packing_kernel(torch.device("cuda"), torch.bfloat16)
pytestmark = pytest.mark.usefixtures("varlen_attention_on_cpu", "one_thread")

needs_gpu = pytest.mark.skipif(not GPU_PACKS, reason="needs a GPU that torch's variable-length attention runs on")


def load(folder: Path, device: str, dtype: torch.dtype) -> tuple[PackedCausalForward, list[EncodedPair]]:
    """The packed way through a language model, and probes of it."""
    checkpoint = open_checkpoint(str(folder))
    model = load_cross_encoder(checkpoint, device=device, dtype=dtype)
    reference_forward(model, checkpoint)
    return PackedCausalForward(transformers_module(model)), probe_pairs(encoder_of(model, checkpoint, fast=False))


def pairs_of(heads: Sequence[int], rests: Sequence[int], seed: int = 5) -> list[EncodedPair]:
    """Pairs of random tokens, each with the next of some heads of these lengths in front of so many tokens."""
    random = np.random.default_rng(seed)
    shared = [random.integers(5, 60, length) for length in heads]
    return [
        EncodedPair(
            np.concatenate([shared[number % len(shared)], random.integers(5, 60, length)]),
            head_tokens=heads[number % len(heads)],
        )
        for number, length in enumerate(rests)
    ]


def compositions(bucket: CausalBucket) -> list[list[EncodedPair]]:
    """Batches exactly as large as a bucket, a token more or less, with as many stretches or keys, and any."""
    random = np.random.default_rng(6)
    rest = bucket.tokens - 100
    around = [[*[100] * (rest // 100), rest % 100 + 1 + more] for more in (-2, -1, 0, 1)]
    crowds = [[3] * (bucket.sequences + extra) for extra in (-3, -2, -1, 0)]
    mixed = [random.integers(1, 100, count).tolist() for count in (1, 2, 3, 5, 8, 13)]
    batches = [pairs_of(heads, rests) for rests in (*around, *crowds, *mixed) for heads in ([99], [0], [20, 33, 46])]
    return [*batches, pairs_of([90], [9] * 12), pairs_of([WINDOW - 1], [1]), pairs_of([WINDOW], [1])]


def stretches(bounds: np.ndarray[Any, Any]) -> Iterator[slice]:
    """From where each begins to where it ends."""
    return map(slice, bounds[:-1].tolist(), bounds[1:].tolist())


def test_a_filled_row_is_as_large_as_its_bucket() -> None:
    """Every stretch sees what it did, what fills the row sees itself, and nothing is too long."""
    fitting = 0
    for bucket in [*BUCKETS, *CausalBucket.up_to(2048, WINDOW), *CausalBucket.up_to(2048, 4000)]:
        for batch in compositions(bucket):
            row = gather(lay_out(batch, {}))
            if not bucket.fits(row):
                continue
            fitting += 1
            arrays = bucket.arrays(row)
            for array in arrays.values():
                array[:] = -1
            places = bucket.fill(row, arrays)
            tokens, own, seen = len(row.input_ids), list(stretches(arrays["own"])), list(stretches(arrays["seen"]))
            assert len(own) == len(seen) == bucket.sequences
            assert own[-1].stop == bucket.tokens
            assert arrays["input_ids"].tolist() == row.input_ids.tolist() + [0] * (bucket.tokens - tokens)
            assert arrays["ends"][places].tolist() == row.ends.tolist()
            assert arrays["keys"].min() >= 0
            assert arrays["keys"].max() < bucket.tokens
            for number, (theirs, keys) in enumerate(zip(own, seen, strict=True)):
                assert keys.stop - keys.start <= bucket.longest
                places_seen = arrays["keys"][keys].tolist()
                assert places_seen[len(places_seen) - (theirs.stop - theirs.start) :] == list(
                    range(theirs.start, theirs.stop)
                )
                if number < len(row.own) - 1:
                    assert places_seen == row.keys[row.seen[number] : row.seen[number + 1]].tolist()
                else:
                    assert len(places_seen) == theirs.stop - theirs.start
    assert fitting > 300


@pytest.mark.parametrize("name", UNLIKE_FAMILIES)
def test_a_batch_scores_in_a_bucket_as_by_itself(name: str, tiny_models: Any, tmp_path: Path) -> None:
    """Whatever was in the bucket before it; what fits in none takes the way without buckets."""
    family, config = CAUSAL_FAMILIES[name]
    tiny_models.build_causal(tmp_path, family, **config)
    way, probes = load(tmp_path, "cpu", torch.float32)
    passes = [BucketPass(way, bucket, way.pack(probes[-1:])) for bucket in (*BUCKETS, CausalBucket(2048, 40, 1024))]
    forward = bucket_if_proven(way, passes, probes)
    assert isinstance(forward, GraphedForward)
    scores = []
    for batch in compositions(BUCKETS[1])[::3]:
        expected = way(batch)
        torch.testing.assert_close(forward(batch), expected, rtol=0, atol=1e-5)
        scores.append(expected)
    assert torch.cat(scores).std() > 1e-3, "scores too close together to tell anything"


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("name", UNLIKE_FAMILIES)
def test_graphs_score_as_the_way_without(
    name: str, tiny_models: Any, tmp_path: Path, package_log: pytest.LogCaptureFixture
) -> None:
    """At the edges of the buckets and between, one batch right after another."""
    family, config = CAUSAL_FAMILIES[name]
    tiny_models.build_causal(tmp_path, family, **config)
    way, probes = load(tmp_path, "cuda", torch.bfloat16)
    forward = graph_where_launch_bound(way, probes, tokens=2048, window=WINDOW)
    assert isinstance(forward, GraphedForward), [record.message for record in package_log.records]
    batches = compositions(BUCKETS[1])
    expected = torch.cat([way(batch) for batch in batches]).float()
    scores = torch.cat([forward(batch) for batch in batches]).float()
    difference = (scores - expected).abs()
    assert expected.std() > 1e-3, "scores too close together to tell anything"
    assert difference.mean() < expected.std() / 4
    assert difference.max() < 48 * torch.finfo(torch.bfloat16).eps * expected.abs().max()
    assert not package_log.records


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_an_engine_records_graphs_of_a_language_model(
    cuda_graphs: bool,  # noqa: FBT001 - a parameter of the test
    tiny_models: Any,
    tmp_path: Path,
    package_log: pytest.LogCaptureFixture,
) -> None:
    """Its log says how many; scores are those before but for rounding, and to the bit the same in any order."""
    package_log.set_level(logging.INFO, logger="bentorank")
    tiny_models.build_causal(tmp_path, "qwen3")
    options = EngineOptions(
        str(tmp_path), EngineKind.TORCH, device="cuda", precision=Precision.BF16, cuda_graphs=cuda_graphs
    )
    engine = load_engine(options)
    batches = [
        engine.encode([Pair("lighthouse lamp", text)] * count) for text in tiny_models.CORPUS for count in (1, 9)
    ]
    before = [engine.forward(batch) for batch in batches]
    engine.warm_up()
    assert any("CUDA graphs" in record.message for record in package_log.records) == cuda_graphs
    first = [engine.forward(batch) for batch in batches]
    again = [engine.forward(batch) for batch in batches[::-1]][::-1]
    for launched, one, other in zip(before, first, again, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, launched, rtol=0.05, atol=0.1)
