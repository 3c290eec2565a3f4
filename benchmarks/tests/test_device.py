"""What travels to a host without a registry, and what counts of a load."""

from __future__ import annotations

import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from benchmarks.device.load import within
from benchmarks.device.packing_up import read_host, reduce_openvino, requirements_of
from benchmarks.device.plan import CPU_TRIALS, GPU_TRIALS, few
from benchmarks.load.exchange import Exchange, Exchanges

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("requirement", "satisfied"),
    [("numpy>=1.26", True), ("torch>=3", False), ("Typing_Extensions>=4", True), ("bentoml==1.4.39", False)],
)
def test_a_package_travels_where_the_host_lacks_it_or_has_an_older_one(
    requirement: str, *, satisfied: bool, tmp_path: Path
) -> None:
    """Of unknown version counts as new enough; names are compared as pip does."""
    listing = tmp_path / "installed.txt"
    listing.write_text("numpy==2.5.2\ntorch==2.11.0\ntyping-extensions\n")
    assert read_host(listing).satisfies(Requirement(requirement)) is satisfied


def test_requirements_for_another_system_stay_behind() -> None:
    """Markers are the host's, not this machine's."""
    found = requirements_of({"x": ["uvloop; sys_platform != 'win32'"]}, ["colorama; sys_platform == 'win32'"])
    assert [requirement.name for requirement in found] == ["uvloop"]


def test_openvino_travels_without_what_a_cpu_never_loads(tmp_path: Path) -> None:
    """The CPU's plug-in and the metadata do; GPU, headers and the wheel itself do not."""
    kept = ["openvino/__init__.py", "openvino/libs/libopenvino_intel_cpu_plugin.so", "openvino-1.dist-info/METADATA"]
    with zipfile.ZipFile(tmp_path / "openvino-1-py3-none-any.whl", "w") as wheel:
        for name in [*kept, "openvino/libs/libopenvino_intel_gpu_plugin.so", "openvino/include/openvino.hpp"]:
            wheel.writestr(name, name)
    with tarfile.open(reduce_openvino(tmp_path)) as archive:
        assert sorted(archive.getnames()) == sorted(kept)
    assert [file.name for file in tmp_path.iterdir()] == ["openvino.tar.xz"]


def test_answers_count_in_the_measured_time_alone() -> None:
    """Those that come while it warms up, or after its end, do not; failures are told."""
    done = Exchanges()
    for begun_s, latency_s, outcome in ((0.0, 0.5, "200"), (0.5, 1.0, "200"), (1.5, 0.1, "429"), (1.6, 2.0, "200")):
        done.log.append(Exchange(begun_s, latency_s, outcome))
        if outcome == "200":
            done.answers.append(b'{"timings_ms": {"queue": 1, "tokenize": 2, "inference": 3, "total": 6}}')
        else:
            done.failures[outcome] += 1
    found = within(done, 1.0, 2.0)
    assert (found["answered"], found["latencies_s"], found["failures"]) == (1, [1.0], {"429": 1})
    assert found["timings_ms"]["tokenize"] == [2]


def test_no_two_trials_are_called_the_same() -> None:
    """Results are kept by name; a rehearsal has every trial."""
    names = [trial.name for trial in (*GPU_TRIALS, *CPU_TRIALS)]
    assert len(set(names)) == len(names)
    assert [trial.name for trial in few(GPU_TRIALS)] == names[: len(GPU_TRIALS)]
