"""What settings are on 1 to 64 cores, and that two cores have what was measured there."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from bentorank.defaults import batch_tokens, heaps, queue_tokens, streams, workers_per_gpu

GIB = 2**30
STARTER_BYTES = 23 * 2**20
LARGE_BYTES = 560 * 2**20


@pytest.mark.parametrize(("processors", "count"), [(1, 2), (2, 2), (4, 4), (8, 8), (16, 16), (64, 64)])
def test_each_thread_that_can_run_has_a_heap(processors: int, count: int) -> None:
    """Two at least, as on two cores."""
    assert heaps(processors) == count


@pytest.mark.parametrize(
    ("threads", "count", "tokens"),
    [(1, 1, 1024), (2, 2, 1024), (4, 4, 1024), (8, 4, 1024), (16, 8, 1024), (32, 16, 1024), (64, 16, 2048)],
)
def test_at_most_four_threads_share_a_pass(threads: int, count: int, tokens: int) -> None:
    """And each has 512 tokens of it at least."""
    assert streams(threads, memory_bytes=64 * GIB, weights_bytes=STARTER_BYTES) == count
    assert batch_tokens("cpu", threads_a_pass=threads // count) == tokens


@pytest.mark.parametrize(("memory_gib", "count"), [(1, 1), (4, 1), (8, 3), (16, 4), (32, 7), (256, 16)])
def test_streams_of_a_large_model_leave_memory(memory_gib: int, count: int) -> None:
    """Half of the memory holds up to four, a quarter what is beyond these."""
    assert streams(64, memory_bytes=memory_gib * GIB, weights_bytes=LARGE_BYTES) == count


@pytest.mark.parametrize(
    ("weights", "cores", "memory_gib", "workers"),
    [
        (23_000_000, 16, 128, 2),
        (23_000_000, 8, 8, 2),
        (33_000_000, 64, 512, 2),
        (23_000_000, 7, 128, 1),
        (23_000_000, 16, 7, 1),
        (110_000_000, 64, 512, 1),
    ],
)
def test_two_workers_share_a_gpu_for_a_small_model(weights: int, cores: int, memory_gib: int, workers: int) -> None:
    """Where there are cores and memory for a second one."""
    assert workers_per_gpu(weights=weights, cores=cores, memory_bytes=memory_gib * GIB) == workers


def test_passes_do_not_grow_without_end() -> None:
    """One stream may be asked for on a machine of any size; a GPU has its own size."""
    assert batch_tokens("cpu", threads_a_pass=64) == 8192
    assert batch_tokens("cuda") == batch_tokens("cuda", threads_a_pass=64) == 32_768


@pytest.mark.parametrize(("cores", "million"), [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4), (64, 8)])
def test_the_queue_grows_with_what_the_device_works_off(cores: int, million: int) -> None:
    """On a GPU it is as long as on the largest CPU, whatever the cores beside it."""
    assert queue_tokens("cpu", cores=cores, memory_bytes=64 * GIB) == million * 1_000_000
    assert queue_tokens("cuda", cores=cores, memory_bytes=64 * GIB) == 8_000_000


def test_a_queue_is_no_longer_than_memory_allows() -> None:
    """A million tokens are 16 MiB, which everybody has."""
    assert queue_tokens("cuda", cores=16, memory_bytes=GIB) == 2 * 2**20
    assert queue_tokens("cuda", cores=16, memory_bytes=GIB // 4) == 1_000_000


def test_the_page_on_performance_says_what_the_rules_say() -> None:
    """Its table is of the shipped model on a machine of 16 GiB."""
    section = (
        (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8").split("## Many cores")[1]
    )
    rows = [line for line in section.split("**Measured")[0].splitlines() if re.match(r"\| \d", line)]
    numbers = [[int(cell.replace(",", "")) for cell in row.strip("| ").split("|")] for row in rows]
    assert [row[0] for row in numbers] == [1, 2, 4, 8, 16, 32, 64]
    for cores, *shown in numbers:
        count = streams(cores, memory_bytes=16 * GIB, weights_bytes=STARTER_BYTES)
        threads = math.ceil(cores / count)
        tokens = batch_tokens("cpu", threads_a_pass=threads)
        waiting = queue_tokens("cpu", cores=cores, memory_bytes=16 * GIB)
        assert shown == [heaps(cores), count, threads, tokens, waiting]
