"""CUDA graphs of the ways without padding: a small batch takes the host longer to launch, operation by operation, than
the device to compute. Recorded once, a pass is launched at once."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

import torch

from bentorank.engines.torch.failures import described
from bentorank.engines.torch.input_memory import InputMemory
from bentorank.engines.torch.rounding import tolerated_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from bentorank.engines.torch.input_memory import Arrays
    from bentorank.types import EncodedPair

    Pass: TypeAlias = Callable[[], Tensor]

Layout = TypeVar("Layout")
Filled_contra = TypeVar("Filled_contra", contravariant=True)

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


class Bucket(Protocol[Filled_contra]):
    """A size that batches, as a way lays them out, are filled up to."""

    @property
    def tokens(self) -> int:
        """In a batch that is filled up."""
        ...

    @property
    def longest(self) -> int:
        """What `Recordable.score` is told."""
        ...

    def fits(self, packed: Filled_contra, /) -> bool:
        """Whether the batch can be filled up to this."""
        ...

    def arrays(self, example: Filled_contra, /) -> Arrays:
        """Room for any batch that fits, with inputs like those of `example`."""
        ...

    def fill(self, packed: Filled_contra, arrays: Arrays, /) -> slice:
        """Write it, filled up, into `arrays`; the places of its pairs among the scores come back."""
        ...


class Recordable(Protocol[Layout]):
    """A way through a model, on batches as it lays them out, that the device can be told to repeat."""

    device: torch.device
    padding_free: bool

    def __call__(self, batch: Sequence[EncodedPair]) -> Tensor:
        """Logits of shape (len(batch),)."""
        ...

    def pack(self, batch: Sequence[EncodedPair]) -> Layout:
        """The batch as this model reads it."""
        ...

    def run(self, packed: Layout) -> Tensor:
        """Logits of shape (pairs,) of what was packed."""
        ...

    def score(self, inputs: Mapping[str, Tensor], longest: int) -> Tensor:
        """Logits of what is on the device; what that is told to do depends on nothing but shapes."""
        ...

    def buckets(self, tokens: int, window: int) -> Sequence[Bucket[Layout]]:
        """The sizes that batches of up to `tokens` tokens can be filled up to, in rising order."""
        ...


class BucketPass(Generic[Layout]):
    """A way through a model for batches that fit one bucket, in memory of its own for what goes in, and for what comes
    out.

    What is called later is done later, on one stream, so nothing is overwritten before it is read.
    """

    def __init__(self, way: Recordable[Layout], bucket: Bucket[Layout], example: Layout) -> None:
        self.bucket = bucket
        self._memory = InputMemory(bucket.arrays(example), way.device)
        inputs = self._memory.inputs
        self._pass: Pass = lambda: way.score(inputs, bucket.longest)
        self._load(example)

    def __call__(self, packed: Layout) -> Tensor:
        """Logits of shape (pairs,), in memory that is the caller's."""
        places = self._load(packed)
        return self._pass()[places].clone()

    def seconds(self) -> float:
        """What a pass takes at best, launched and computed."""
        return min(_seconds(self._pass, self._memory.device) for _ in range(_TIMED_PASSES))

    def record(self, recorder: Recorder) -> None:
        """Have the device repeat, from now on, what it is told to do now."""
        self._pass = recorder.record(self._pass)

    def _load(self, packed: Layout) -> slice:
        return self._memory.write(lambda arrays: self.bucket.fill(packed, arrays))


class GraphedForward(Generic[Layout]):
    """Takes the smallest bucket that a batch fits in, and the way as it is where it fits in none.

    One thread at a time, as the buckets share the memory that they compute in.
    """

    padding_free = True

    def __init__(self, way: Recordable[Layout], passes: Sequence[BucketPass[Layout]]) -> None:
        self._way = way
        self._passes = passes

    @property
    def buckets(self) -> list[Bucket[Layout]]:
        """In rising order."""
        return [each.bucket for each in self._passes]

    @torch.inference_mode()
    def __call__(self, batch: Sequence[EncodedPair]) -> Tensor:
        """Logits of shape (len(batch),) on the model's device, in its precision."""
        packed = self._way.pack(batch)
        fitting = next((each for each in self._passes if each.bucket.fits(packed)), None)
        return self._way.run(packed) if fitting is None else fitting(packed)


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


def graph_where_launch_bound(
    way: Recordable[Layout], probes: Sequence[EncodedPair], tokens: int, window: int
) -> Recordable[Layout] | GraphedForward[Layout]:
    """The way with graphs of all buckets up to `tokens` that take the host longer than the device.

    Without any where they fail or do not score `probes` alike, which is logged.
    """
    before = _reserved_bytes(way.device)
    try:
        with torch.inference_mode():
            passes = _launch_bound(way, way.buckets(tokens, window), min(probes, key=lambda pair: pair.length))
            recorder = Recorder(way.device)
            # The largest first: the others then fit in what it has taken.
            for each in reversed(passes):
                each.record(recorder)
    except Exception as error:  # noqa: BLE001 - whatever this GPU or version of torch lacks, the way goes on
        _warn(f"CUDA graphs fail here with {described(error)}")
        passes = []
    forward = bucket_if_proven(way, passes, probes)
    mib = (_reserved_bytes(way.device) - before) / _MIB
    if isinstance(forward, GraphedForward):
        largest = passes[-1].bucket.tokens
        logger.info("%d CUDA graphs for batches of up to %d tokens take %.0f MiB", len(passes), largest, mib)
    return forward


def bucket_if_proven(
    way: Recordable[Layout], passes: Sequence[BucketPass[Layout]], probes: Sequence[EncodedPair]
) -> Recordable[Layout] | GraphedForward[Layout]:
    """The way by `passes`, if each of them scores `probes` as it does but for rounding; else as it is."""
    if not passes:
        return way
    try:
        with torch.inference_mode():
            expected = way(probes)
            difference = torch.cat([_differences(way, each, probes) for each in passes]).max().item()
    except Exception as error:  # noqa: BLE001 - the way has scored them before, and goes on
        _warn(f"CUDA graphs fail here with {described(error)}")
        return way
    if difference <= (tolerance := tolerated_difference(expected)):  # never of NaN
        return GraphedForward(way, passes)
    _warn(f"with CUDA graphs logits differ by {difference:.2g}, more than {tolerance:.2g}")
    return way


def _warn(reason: str) -> None:
    logger.warning("small batches are launched operation by operation: %s", reason)


def _differences(way: Recordable[Layout], bucketed: BucketPass[Layout], probes: Sequence[EncodedPair]) -> Tensor:
    """Of the logits of as many probes as fit, in both orders, one right after the other."""
    shortest_first = sorted(probes, key=lambda pair: pair.length)
    counts = range(len(probes), 0, -1)
    batch = next(shortest_first[:count] for count in counts if bucketed.bucket.fits(way.pack(shortest_first[:count])))
    orders = batch, batch[::-1]
    logits = [bucketed(way.pack(order)) for order in orders]
    return (torch.cat(logits) - torch.cat([way(order) for order in orders])).abs()


def _launch_bound(
    way: Recordable[Layout], buckets: Sequence[Bucket[Layout]], shortest: EncodedPair
) -> list[BucketPass[Layout]]:
    """Up to the largest that takes hardly longer than the shortest: other work on the host delays one or another.

    None that is too small for the `shortest` probe, such as a prompt with a long instruction.
    """
    example = way.pack([shortest])
    passes: list[BucketPass[Layout]] = []
    seconds: list[float] = []
    for bucket in (each for each in buckets if each.fits(example)):
        passes.append(BucketPass(way, bucket, example))
        seconds.append(passes[-1].seconds())
        if seconds[-1] > _COMPUTED_FROM * min(seconds):
            break
    launched = [place for place, taken in enumerate(seconds) if taken <= LAUNCH_BOUND_UP_TO * min(seconds)]
    return passes[: launched[-1] + 1] if launched else []


def _seconds(run: Pass, device: torch.device) -> float:
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    run()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _reserved_bytes(device: torch.device) -> int:
    torch.cuda.empty_cache()
    return torch.cuda.memory_reserved(device)
