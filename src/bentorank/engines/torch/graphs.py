"""CUDA graphs of the packed way: a small batch takes the host longer to launch, operation by operation, than the device
to compute. Recorded once, a pass is launched at once."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, TypeAlias

import torch

from bentorank.engines.torch.buckets import buckets_up_to
from bentorank.engines.torch.packed_attention import Sequences
from bentorank.engines.torch.rounding import tolerated_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from bentorank.engines.collation import PackedBatch
    from bentorank.engines.torch.buckets import Bucket
    from bentorank.engines.torch.forward import Forward
    from bentorank.engines.torch.packing import PackedForward
    from bentorank.types import EncodedPair

    Pass: TypeAlias = Callable[[], Tensor]

# A pass that takes longer than so many of the smallest bucket's is computed for most of its time. Not one: beside other
# threads that want Python's lock, launching takes more than the time that is measured here, alone.
LAUNCH_BOUND_UP_TO: Final = 2.0
# One that takes longer than so many is computed for longer than it could be delayed, and larger ones are not tried.
_COMPUTED_FROM: Final = 8.0

# In its first passes of a size a library chooses its kernels and loads them, which cannot be recorded.
_WARM_UP_PASSES: Final = 2
_TIMED_PASSES: Final = 5

_MIB: Final = 2**20

logger = logging.getLogger(__name__)


class BucketPass:
    """The packed way for batches that fit one bucket, in memory of its own for what goes in, and for what comes out.

    What is called later is done later, on one stream, so nothing is overwritten before it is read.
    """

    def __init__(self, model: PackedForward, bucket: Bucket, example: PackedBatch) -> None:
        self.bucket = bucket
        self._names = tuple(example.as_inputs())
        # One piece, so that one copy brings a batch there: the inputs, and the bounds in half as many words.
        words = len(self._names) * bucket.tokens + bucket.sequences // 2 + 1
        self._memory = torch.zeros(words, dtype=torch.int64, device=model.device)
        rows, bounds = self._parts(self._memory)
        inputs = {name: row[None] for name, row in zip(self._names, rows, strict=True)}
        sequences = Sequences(bounds, bucket.longest)
        self._pass: Pass = lambda: model.score(inputs, sequences)
        self._load(example)

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Logits of shape (pairs,), in memory that is the caller's."""
        places = self._load(batch)
        return self._pass()[places].clone()

    def seconds(self) -> float:
        """What a pass takes at best, launched and computed."""
        return min(_seconds(self._pass, self._memory.device) for _ in range(_TIMED_PASSES))

    def record(self, recorder: Recorder) -> None:
        """Have the device repeat, from now on, what it is told to do now."""
        self._pass = recorder.record(self._pass)

    def _load(self, batch: PackedBatch) -> slice:
        # From pinned memory, which torch keeps until it is copied, the host need not wait for the copy.
        staged = torch.empty(self._memory.shape, dtype=torch.int64, pin_memory=self._memory.is_cuda)
        rows, bounds = self._parts(staged)
        places = self.bucket.fill(batch, rows.numpy(), bounds.numpy())
        self._memory.copy_(staged, non_blocking=True)
        return places

    def _parts(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        size = len(self._names) * self.bucket.tokens
        rows = memory[:size].view(len(self._names), self.bucket.tokens)
        return rows, memory[size:].view(torch.int32)[: self.bucket.sequences + 1]


class GraphedForward:
    """Takes the smallest bucket that a batch fits in, and the packed way as it is where it fits in none.

    One thread at a time, as the buckets share the memory that they compute in.
    """

    padding_free = True

    def __init__(self, packed: PackedForward, passes: Sequence[BucketPass]) -> None:
        self._packed = packed
        self._passes = passes

    @property
    def buckets(self) -> list[Bucket]:
        """In rising order."""
        return [each.bucket for each in self._passes]

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> Tensor:
        """Logits of shape (len(batch),) on the model's device, in its precision."""
        packed = self._packed.pack(batch)
        fitting = next((each for each in self._passes if each.bucket.fits(packed)), None)
        return self._packed.run(packed) if fitting is None else fitting(packed)


class Recorder:
    """Records passes on one device as CUDA graphs, which share one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def record(self, run: Pass) -> Pass:
        """What repeats `run`; its result is where that of `run` was, until another pass is repeated."""
        # Both contexts are left as they were found also where torch's own fails.
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            torch.cuda.synchronize()
            for _ in range(_WARM_UP_PASSES):
                run()
            graph = torch.cuda.CUDAGraph()
            # Other threads may do with the device what they like meanwhile.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                result = run()
            torch.cuda.synchronize()

        def repeat() -> Tensor:
            graph.replay()
            return result

        return repeat


def graph_where_launch_bound(packed: PackedForward, probes: Sequence[EncodedPair], tokens: int, window: int) -> Forward:
    """The packed way with graphs of all buckets up to `tokens` that take the host longer than the device.

    Without any where they fail or do not score `probes` alike, which is logged.
    """
    before = _reserved_bytes(packed.device)
    try:
        with torch.inference_mode():
            passes = _launch_bound(packed, buckets_up_to(tokens, window), min(probes, key=lambda pair: pair.length))
            recorder = Recorder(packed.device)
            # The largest first: the others then fit in what it has taken.
            for each in reversed(passes):
                each.record(recorder)
    except Exception as error:  # noqa: BLE001 - whatever this GPU or version of torch lacks, the packed way goes on
        _warn(f"CUDA graphs fail here with {type(error).__name__}: {_first_line(error)}")
        passes = []
    forward = bucket_if_proven(packed, passes, probes)
    mib = (_reserved_bytes(packed.device) - before) / _MIB
    if isinstance(forward, GraphedForward):
        largest = passes[-1].bucket.tokens
        logger.info("%d CUDA graphs for batches of up to %d tokens take %.0f MiB", len(passes), largest, mib)
    return forward


def bucket_if_proven(packed: PackedForward, passes: Sequence[BucketPass], probes: Sequence[EncodedPair]) -> Forward:
    """The packed way by `passes`, if each of them scores `probes` as it does but for rounding; else as it is."""
    if not passes:
        return packed
    try:
        with torch.inference_mode():
            expected = packed(probes)
            difference = torch.cat([_differences(packed, each, probes) for each in passes]).max().item()
    except Exception as error:  # noqa: BLE001 - the packed way has scored them before, and goes on
        _warn(f"CUDA graphs fail here with {type(error).__name__}: {_first_line(error)}")
        return packed
    if difference <= (tolerance := tolerated_difference(expected)):  # never of NaN
        return GraphedForward(packed, passes)
    _warn(f"with CUDA graphs logits differ by {difference:.2g}, more than {tolerance:.2g}")
    return packed


def _warn(reason: str) -> None:
    logger.warning("small batches are launched operation by operation: %s", reason)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _differences(packed: PackedForward, bucketed: BucketPass, probes: Sequence[EncodedPair]) -> Tensor:
    """Of the logits of as many probes as fit, in both orders, one right after the other."""
    shortest_first = sorted(probes, key=lambda pair: pair.length)
    counts = range(len(probes), 0, -1)
    batch = next(
        shortest_first[:count] for count in counts if bucketed.bucket.fits(packed.pack(shortest_first[:count]))
    )
    orders = batch, batch[::-1]
    logits = [bucketed(packed.pack(order)) for order in orders]
    return (torch.cat(logits) - torch.cat([packed(order) for order in orders])).abs()


def _launch_bound(packed: PackedForward, buckets: Sequence[Bucket], example: EncodedPair) -> list[BucketPass]:
    """Up to the largest that takes hardly longer than the shortest: other work on the host delays one or another."""
    passes: list[BucketPass] = []
    seconds: list[float] = []
    for bucket in buckets:
        each = BucketPass(packed, bucket, packed.pack([example]))
        passes.append(each)
        seconds.append(each.seconds())
        if seconds[-1] > _COMPUTED_FROM * min(seconds):
            break
    largest = max(place for place, taken in enumerate(seconds) if taken <= LAUNCH_BOUND_UP_TO * min(seconds))
    return passes[: largest + 1]


def _seconds(run: Pass, device: torch.device) -> float:
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    run()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _reserved_bytes(device: torch.device) -> int:
    torch.cuda.empty_cache()
    return torch.cuda.memory_reserved(device)
