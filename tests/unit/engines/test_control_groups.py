"""What control groups leave: of a container, of a systemd service, of either version, of none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bentorank.engines.control_groups import limit_bytes, quota_cores

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30
SERVICE = "0::/system.slice/bentorank.service\n"
CASES = {
    "none": ("0::/\n", {}, None, None),
    "a container": ("0::/\n", {"cpu.max": "150000 100000\n", "memory.max": f"{GIB}\n"}, 2, GIB),
    "no limit": ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None),
    "a service": (
        SERVICE,
        {
            "system.slice/bentorank.service/cpu.max": "200000 100000\n",
            "system.slice/bentorank.service/memory.max": f"{GIB}\n",
            "system.slice/memory.max": "max\n",
        },
        2,
        GIB,
    ),
    "its slice has less": (
        SERVICE,
        {
            "system.slice/bentorank.service/memory.max": f"{2 * GIB}\n",
            "system.slice/memory.max": f"{GIB}\n",
            "system.slice/cpu.max": "100000 100000\n",
        },
        1,
        GIB,
    ),
    "version 1": (
        "4:memory:/docker/a1\n2:cpu,cpuacct:/docker/a1\n",
        {
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/docker/a1/memory.limit_in_bytes": f"{GIB}\n",
            "cpu,cpuacct/docker/a1/cpu.cfs_quota_us": "250000\n",
            "cpu,cpuacct/docker/a1/cpu.cfs_period_us": "100000\n",
        },
        3,
        GIB,
    ),
    "version 1, without a quota": (
        "1:cpu:/\n",
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        None,
        None,
    ),
    # Its own name for the group is not to be seen within.
    "version 1, in the container": ("4:memory:/docker/a1\n", {"memory/memory.limit_in_bytes": f"{GIB}\n"}, None, GIB),
    "outside of what is mounted": ("0::/../other\n", {"memory.max": f"{GIB}\n", "cpu.max": "odd\n"}, None, GIB),
}


@pytest.mark.parametrize(("own", "files", "cores", "memory"), CASES.values(), ids=CASES)
def test_the_least_of_all_groups_counts(
    tmp_path: Path, own: str, files: dict[str, str], cores: int | None, memory: int | None
) -> None:
    """Cores are rounded up."""
    root = tmp_path / "cgroup"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (tmp_path / "own").write_text(own)
    assert quota_cores(root, tmp_path / "own") == cores
    assert limit_bytes(root, tmp_path / "own") == memory
