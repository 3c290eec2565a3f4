"""What is tried on which device, and what never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bentorank.engines.cores import memory_bytes, physical_cores, usable_cores
from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.errors import ConfigurationError
from bentorank.settings import Settings
from bentorank.tuning.candidates import (
    AS_IT_IS,
    Dimension,
    Restriction,
    dimensions,
    native_precisions,
    thread_counts,
    tokenizer_threads,
)
from bentorank.tuning.measuring import Loaded

ON_CPU = Loaded("starter", "openvino", "cpu", "int8", 1024, 3, 2)
ON_GPU = Loaded("starter", "torch", "cuda", "bf16", 32_768, 1, 2)

CPUINFO = """processor\t: 0
physical id\t: 0
core id\t\t: 0

processor\t: 1
physical id\t: 0
core id\t\t: 1

processor\t: 2
physical id\t: 0
core id\t\t: 0

processor\t: 3
physical id\t: 0
core id\t\t: 1
"""


def test_a_cpu_is_tried_in_what_it_computes_natively() -> None:
    """bf16 only where the CPU multiplies it; int8 only where OpenVINO runs."""
    assert native_precisions(ON_CPU, cpu_bf16=True) == ("int8", "bf16", "f32")
    assert native_precisions(ON_CPU, cpu_bf16=False) == ("int8", "f32")
    assert native_precisions(Loaded("m", "torch", "cpu", "f32", 1024, 1, 2), cpu_bf16=False) == ("f32",)


def test_what_is_in_force_anyway_is_not_tried_again() -> None:
    """One dimension each for precision, threads, streams and token budget, in that order; the fields are settings."""
    precision, threads, streams, budget, tokenizers = dimensions(ON_CPU, Restriction(tokenizer_threads=(2, 4)))
    assert precision.values == (("bf16", "f32") if cpu_has_native_bf16() else ("f32",))
    assert threads == Dimension("threads", tuple(map(str, thread_counts(usable_cores()))))
    assert streams == Dimension("streams", tuple(str(count) for count in (1, 2, 4, 8, 16) if count <= usable_cores()))
    assert budget == Dimension("max_batch_tokens", ("512", "2048", "4096"))
    assert tokenizers == Dimension("tokenizer_threads", ("4",))
    fields = {precision.setting, threads.setting, streams.setting, budget.setting, tokenizers.setting}
    assert fields <= set(Settings.model_fields)


@pytest.mark.parametrize(("cores", "counts"), [(1, ()), (2, ()), (4, ()), (8, (1, 2, 4, 8)), (64, (1, 2, 4, 8))])
def test_tokenizer_threads_are_tried_where_there_are_cores_for_them(cores: int, counts: tuple[int, ...]) -> None:
    """On few they are all the tokenizer's own threads'."""
    assert tokenizer_threads(cores) == counts


def test_a_gpu_has_larger_batches_and_no_threads() -> None:
    """f16 is for GPUs alone."""
    precision, budget = dimensions(ON_GPU, Restriction(tokenizer_threads=(2,)))
    assert precision.values == ("f16", "f32")
    assert budget.values == ("16384", "65536", "131072")


def test_only_what_was_asked_for_is_tried() -> None:
    """A dimension of which nothing is left goes."""
    only = Restriction(("int8",), threads=(8,), streams=(3, 8), batch_tokens=(100, 1024), tokenizer_threads=(2,))
    assert dimensions(ON_CPU, only) == (
        Dimension("threads", ("8",)),
        Dimension("streams", ("8",)),
        Dimension("max_batch_tokens", ("100",)),
    )


def test_only_openvino_has_streams() -> None:
    """Of the powers of two up to 16 those that the threads allow, without the number in force."""
    four_threads = Restriction(threads=(4,))
    assert Dimension("streams", ("1", "2", "4")) in dimensions(ON_CPU, four_threads)
    assert Dimension("streams", ("1", "2")) in dimensions(replace(ON_CPU, streams=4), four_threads)
    in_torch = dimensions(Loaded("m", "torch", "cpu", "f32", 1024, 1, 2), four_threads)
    assert "streams" not in {dimension.setting for dimension in in_torch}


def test_more_streams_than_threads_are_refused() -> None:
    """Before anything is measured."""
    with pytest.raises(ConfigurationError, match="8 streams need a thread each, and at most 4 are tried"):
        dimensions(ON_CPU, Restriction(threads=(2, 4), streams=(8,)))


def test_streams_fit_the_threads_that_were_chosen() -> None:
    """A stage before may have chosen fewer than there are."""
    streams = Dimension("streams", ("1", "2", "4"))
    two_threads = AS_IT_IS.with_value("threads", "2")
    assert streams.on_top_of(two_threads) == [two_threads.with_value("streams", count) for count in ("1", "2")]
    assert len(streams.on_top_of(AS_IT_IS)) == 3


def test_an_emulated_precision_is_refused() -> None:
    """No CPU computes f16 here, and the sentence says what it does compute in."""
    with pytest.raises(ConfigurationError, match=r"openvino engine on this cpu would emulate f16.*: try int8, "):
        dimensions(ON_CPU, Restriction(precisions=("f16",)))


def test_a_second_value_replaces_the_first() -> None:
    """A candidate sets each setting once; its name is for people."""
    candidate = AS_IT_IS.with_value("threads", "1").with_value("precision", "f32").with_value("threads", "2")
    assert candidate.overrides == (("precision", "f32"), ("threads", "2"))
    assert (candidate.name, AS_IT_IS.name) == ("precision f32, threads 2", "as it is")


@pytest.mark.parametrize(("cores", "counts"), [(1, (1,)), (2, (2, 1)), (3, (3, 2, 1)), (16, (16, 15, 8))])
def test_threads_are_physical_cores_and_fewer(cores: int, counts: tuple[int, ...]) -> None:
    """All, one less, half."""
    assert thread_counts(cores) == counts


@pytest.mark.parametrize(
    ("cpuinfo", "logical", "cores"),
    [(CPUINFO, {0, 1, 2, 3}, 2), (CPUINFO, {0, 2}, 1), ("", {0, 1, 2}, 3), ("processor : 0\nBogoMIPS : 50\n", {0}, 1)],
)
def test_hyperthreads_are_no_cores(cpuinfo: str, logical: set[int], cores: int) -> None:
    """Only those that this process may use count; ARM's cpuinfo tells nothing of cores."""
    assert physical_cores(cpuinfo, logical) == cores


@pytest.mark.parametrize(
    ("meminfo", "limit", "expected"),
    [
        ("MemTotal:  4194304 kB\nMemFree: 1 kB\n", None, 2**32),
        ("MemTotal:  4194304 kB\n", 2**30, 2**30),
        ("MemTotal:  4194304 kB\n", 2**33, 2**32),
        ("", None, 2**33),
    ],
)
def test_a_container_s_memory_is_not_the_machine_s(meminfo: str, limit: int | None, expected: int) -> None:
    """Whichever is less."""
    assert memory_bytes(meminfo, limit) == expected
