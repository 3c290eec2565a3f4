"""Batches filled up to a bucket score as they do by themselves; on a GPU the recorded passes do, too.

The GPU's part of it needs no more than torch, transformers, sentence-transformers and pytest:

    PYTHONPATH=src:tests python -m pytest -c /dev/null --rootdir=. --confcutdir=tests/unit/engines \
        --import-mode=importlib tests/unit/engines/test_graphs.py
"""

from __future__ import annotations

import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.collation import pack
from bentorank.engines.torch.buckets import Bucket
from bentorank.engines.torch.engine import encoder_of, load_cross_encoder, transformers_module
from bentorank.engines.torch.forward import has_packing_kernel
from bentorank.engines.torch.graphs import BucketPass, GraphedForward, bucket_if_proven, graph_where_launch_bound
from bentorank.engines.torch.packing import PackedForward
from bentorank.engines.warm_up import probe_pairs
from bentorank.types import EncodedPair, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WINDOW = 96
MIB = 2**20
SMALL_BUCKETS = [Bucket(64, 4, WINDOW), Bucket(256, 8, WINDOW)]

GPU_PACKS = torch.cuda.is_available() and has_packing_kernel(torch.device("cuda"), torch.float16)
pytestmark = pytest.mark.usefixtures("varlen_attention_on_cpu", "one_thread")

needs_gpu = pytest.mark.skipif(not GPU_PACKS, reason="needs a GPU that torch's variable-length attention runs on")

BUILDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {}),
    "xlm-roberta": ("xlm-roberta", {}),
    "modernbert": ("modernbert", {}),
    "modernbert-mean": ("modernbert", {"classifier_pooling": "mean"}),
}


@pytest.fixture(scope="session")
def built(tiny_model: Any) -> Callable[[str], Path]:
    """A function from a name in BUILDS to the folder of that model."""

    def folder_of(name: str) -> Path:
        family, config = BUILDS[name]
        return tiny_model(family, **config)  # type: ignore[no-any-return]

    return folder_of


def load(folder: Path, device: str, dtype: torch.dtype) -> tuple[PackedForward, list[EncodedPair]]:
    """The packed way through a model, and probes of it."""
    checkpoint = open_checkpoint(str(folder))
    model = load_cross_encoder(checkpoint, device=device, dtype=dtype)
    probes = probe_pairs(encoder_of(model, checkpoint, fast=False))
    return PackedForward(transformers_module(model), checkpoint.pad_token_id), probes


def pairs_like(probe: EncodedPair, lengths: Sequence[int], seed: int = 5) -> list[EncodedPair]:
    """Pairs of random tokens, with segments where `probe` has them."""
    random = np.random.default_rng(seed)
    pairs = []
    for length in lengths:
        ids = random.integers(5, 60, length)
        ids[0] = probe.input_ids[0]
        segments = None if probe.token_type_ids is None else (np.arange(length) > length // 2).astype(np.int64)
        pairs.append(EncodedPair(ids, segments))
    return pairs


def _divided(tokens: int) -> list[int]:
    """Pairs of the window's length, and one of what is left."""
    return [min(WINDOW, tokens - start) for start in range(0, tokens, WINDOW)]


def compositions(*buckets: Bucket) -> list[list[int]]:
    """Lengths of the pairs of batches: exactly as large as the buckets, one token or pair more or less, and any."""
    random = np.random.default_rng(6)
    exact = [[*_divided(bucket.tokens - 50), 50] for bucket in buckets]
    less = [[*lengths[:-1], lengths[-1] - 1] for lengths in exact]
    more = [[*lengths[:-1], lengths[-1] + 1] for lengths in exact]
    crowds = [[3] * (bucket.sequences + extra) for bucket in buckets for extra in (-2, -1, 0, 1)]
    mixed = [random.integers(3, WINDOW + 1, count).tolist() for count in (1, 2, 3, 5, 8, 13, 21, 34) for _ in range(2)]
    return [[3], [WINDOW], [WINDOW, 3], *exact, *less, *more, *crowds, *mixed]


def test_a_filled_batch_is_as_large_as_its_bucket() -> None:
    """Every sequence begins at a token that is there, none is too long, and the pairs are where they are said to be."""
    random = np.random.default_rng(3)
    fitting = 0
    for bucket in [*SMALL_BUCKETS, *Bucket.up_to(4096, WINDOW), *Bucket.up_to(4096, 4000)]:
        for lengths in [*compositions(bucket), random.integers(1, bucket.longest + 1, 5).tolist()]:
            batch = pack([EncodedPair(random.integers(1, 99, length)) for length in lengths])
            if not bucket.fits(batch):
                continue
            fitting += 1
            arrays = bucket.arrays(batch)
            for array in arrays.values():
                array[:] = -1
            places = bucket.fill(batch, arrays)
            bounds = arrays["bounds"]
            assert [len(array) for array in arrays.values()] == [bucket.tokens, bucket.tokens, bucket.sequences + 1]
            assert (bounds[0], bounds[-1]) == (0, bucket.tokens)
            assert (bounds[:-1] < bucket.tokens).all()
            assert 0 <= np.diff(bounds).min() <= np.diff(bounds).max() <= bucket.longest
            assert bounds[places.start : places.stop + 1].tolist() == batch.bounds.tolist()
            for name, row in batch.as_inputs().items():
                assert arrays[name][: sum(lengths)].tolist() == row[0].tolist()
                assert not arrays[name][sum(lengths) :].any()
    assert fitting > 300


def test_buckets_grow_by_a_quarter_at_most_and_a_full_batch_fits() -> None:
    """So a fifth of what is computed may be filling, and there are few of them; small ones are a step apart."""
    buckets = Bucket.up_to(32_768, 512)
    sizes = [bucket.tokens for bucket in buckets]
    assert (sizes[:4], sizes[-1], len(sizes)) == ([256, 512, 768, 1024], 32_768, 24)
    assert all(larger <= max(1.25 * smaller, smaller + 256) for smaller, larger in pairwise(sizes))
    assert buckets[-1].fits(pack([EncodedPair(np.ones(512, dtype=np.int64))] * 64))
    assert not buckets[-1].fits(pack([EncodedPair(np.ones(513, dtype=np.int64))]))


@pytest.mark.parametrize("name", BUILDS)
def test_a_batch_scores_in_a_bucket_as_by_itself(name: str, built: Callable[[str], Path]) -> None:
    """Whatever was in the bucket before it; what fits in none takes the packed way."""
    packed, probes = load(built(name), "cpu", torch.float32)
    passes = [BucketPass(packed, bucket, packed.pack(probes[-1:])) for bucket in SMALL_BUCKETS]
    forward = bucket_if_proven(packed, passes, probes)
    assert isinstance(forward, GraphedForward)
    assert forward.buckets == SMALL_BUCKETS
    spread = []
    small, large = SMALL_BUCKETS
    for number, lengths in enumerate(
        [[3], [WINDOW, 3, 40], *compositions(large)[3:6], [3] * small.sequences, [20, 30]]
    ):
        batch = pairs_like(probes[0], lengths, seed=number)
        expected = packed(batch)
        torch.testing.assert_close(forward(batch), expected, rtol=0, atol=1e-5)
        spread.append(expected)
    assert torch.cat(spread).std() > 1e-3, "scores too close together to tell anything"


class Forgetful:
    """A recorder whose repeated pass does not look at its inputs again."""

    def record(self, run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """What gives the first result for ever."""
        result = run()
        return lambda: result


class Failing:
    """A recorder whose repeated pass fails."""

    def record(self, _run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """What fails whenever it is called."""

        def fail() -> torch.Tensor:
            raise RuntimeError("CUDA error: operation not permitted\nand more")

        return fail


@pytest.mark.parametrize(
    ("recorder", "reason"),
    [(Forgetful(), "with CUDA graphs logits differ by "), (Failing(), "RuntimeError: CUDA error: operation not perm")],
)
def test_passes_that_are_repeated_wrongly_are_given_up(
    recorder: Any, reason: str, built: Callable[[str], Path], package_log: pytest.LogCaptureFixture
) -> None:
    """One line says why, and batches are scored as without any."""
    packed, probes = load(built("bert"), "cpu", torch.float32)
    passes = [BucketPass(packed, bucket, packed.pack(probes[-1:])) for bucket in SMALL_BUCKETS]
    passes[1].record(recorder)
    assert bucket_if_proven(packed, passes, probes) is packed
    (record,) = package_log.records
    assert record.message.startswith("small batches are launched operation by operation: ")
    assert reason in record.message


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", BUILDS)
def test_graphs_score_as_the_packed_way(
    name: str, dtype: torch.dtype, built: Callable[[str], Path], package_log: pytest.LogCaptureFixture
) -> None:
    """Every family in both half precisions, at the edges of the buckets and between, one batch right after another."""
    packed, probes = load(built(name), "cuda", dtype)
    forward = graph_where_launch_bound(packed, probes, tokens=2048, window=WINDOW)
    assert isinstance(forward, GraphedForward), [record.message for record in package_log.records]
    batches = [
        pairs_like(probes[0], lengths, seed=number)
        for number, lengths in enumerate(compositions(*forward.buckets[:3], forward.buckets[-1]))
    ]
    expected = torch.cat([packed(batch) for batch in batches]).float()
    scores = torch.cat([forward(batch) for batch in batches]).float()
    assert expected.std() > 1e-3, "scores too close together to tell anything"
    # Products of other sizes are rounded in another order, which moves a few of so many logits by much more than most.
    rounding = torch.finfo(dtype).eps * expected.abs().max()
    difference = (scores - expected).abs()
    assert difference.mean() < min(4 * rounding, expected.std() / 4)
    assert difference.max() < 48 * rounding
    assert not package_log.records


@pytest.mark.gpu
@needs_gpu
def test_the_same_batch_scores_the_same_whatever_ran_before(built: Callable[[str], Path]) -> None:
    """To the bit: buckets share memory, and keep nothing of other batches in it."""
    packed, probes = load(built("bert"), "cuda", torch.bfloat16)
    forward = graph_where_launch_bound(packed, probes, tokens=4096, window=WINDOW)
    batches = [pairs_like(probes[0], lengths, seed=7) for lengths in ([3], [WINDOW] * 5, [40] * 40, [9] * 20)]
    first = [forward(batch) for batch in batches]
    again = [forward(batch) for batch in batches[::-1]][::-1]
    for before, after in zip(first, again, strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.gpu
@needs_gpu
def test_graphs_take_the_memory_of_their_largest(tiny_models: Any, tmp_path: Path) -> None:
    """They share one pool: all together take about what the largest takes by itself, not six times as much."""
    tiny_models.build_bert(tmp_path, intermediate_size=2048)
    packed, probes = load(tmp_path, "cuda", torch.bfloat16)
    batch = pairs_like(probes[0], [64] * 128)
    packed(batch)
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    packed(batch)
    by_itself = torch.cuda.max_memory_allocated() - held
    reserved = reserved_bytes()
    forward = graph_where_launch_bound(packed, probes, tokens=8192, window=WINDOW)
    assert isinstance(forward, GraphedForward)
    assert forward.buckets[-1].tokens == 8192
    # What the allocator takes at a time is 20 MiB.
    assert reserved_bytes() - reserved < 2 * by_itself + 40 * MIB


def reserved_bytes() -> int:
    """What torch holds of the device's memory, without what it keeps for later."""
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.cuda.memory_reserved()


def engine_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of graphs."""
    return [record.message for record in caplog.records if "CUDA graphs" in record.message]


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_an_engine_records_graphs_unless_told_not_to(
    cuda_graphs: bool,  # noqa: FBT001 - a parameter of the test
    built: Callable[[str], Path],
    tiny_models: Any,
    package_log: pytest.LogCaptureFixture,
) -> None:
    """Its log says how many and what they take; two threads at a time get each their own scores, as one does."""
    package_log.set_level(logging.INFO, logger="bentorank")
    folder = str(built("bert"))
    options = EngineOptions(folder, EngineKind.TORCH, device="cuda", precision=Precision.F16, cuda_graphs=cuda_graphs)
    engine = load_engine(options)
    texts = [*tiny_models.CORPUS, "", "long " * 100]
    batches = [engine.encode([Pair("lighthouse lamp", text)] * count) for text in texts for count in (1, 7, 100)] * 4
    before = [engine.forward(batch) for batch in batches]
    engine.warm_up()
    assert [line.partition(" for batches")[0].split(" ", 1)[1] for line in engine_lines(package_log)] == (
        ["CUDA graphs"] if cuda_graphs else []
    )
    alone = [engine.forward(batch) for batch in batches]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(engine.forward, batches))
    for launched, expected, scores in zip(before, alone, together, strict=True):
        np.testing.assert_array_equal(scores, expected)
        np.testing.assert_allclose(scores, launched, rtol=0, atol=0.03)
