"""The packages that a host lacks, as wheels for it: this machine has a registry, and that one has not."""

from __future__ import annotations

import email
import lzma
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PYTHON = "3.12"
# pip takes each of them for what it says, and no older one.
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in (34, 31, 28, 27, 24, 17, 5)),
    *("manylinux2014_x86_64", "manylinux1_x86_64"),
)
MARKERS = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.3",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "os_name": "posix",
}

# What reads an IR on a CPU; the other 100 MB are GPUs, NPUs and formats of other frameworks.
OPENVINO_LIBRARIES = ("libopenvino.so", "libopenvino_intel_cpu", "libopenvino_ir_", "libtbb", "libhwloc")
OPENVINO_LEFT_OUT = ("openvino/include/", "openvino/cmake/", "openvino/frontend/", "openvino/tools/benchmark")
OPENVINO_FRONTEND = ("openvino/frontend/__init__.py", "openvino/frontend/frontend.py")


class PackError(Exception):
    """A package that the host lacks cannot be had for it."""


@dataclass(frozen=True, slots=True)
class Host:
    """What it has, by canonical name; None where the version is not known."""

    packages: dict[str, str | None]

    def satisfies(self, requirement: Requirement) -> bool:
        """Whether nothing has to travel for it; a package of unknown version is taken to be new enough."""
        name = canonicalize_name(requirement.name)
        if name not in self.packages:
            return False
        version = self.packages[name]
        return version is None or requirement.specifier.contains(version, prereleases=True)


def read_host(listing: Path) -> Host:
    """A file of lines `name` or `name==version`, as `pip freeze` writes them."""
    lines = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    parts = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return Host({canonicalize_name(name): version or None for name, _, version in parts})


def pack_wheels(wanted: Sequence[Requirement], host: Host, constraints: Path, folder: Path) -> list[str]:
    """Download what the host lacks, and what that needs, until nothing is missing; the names of the packages."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    lacking = [requirement for requirement in wanted if not host.satisfies(requirement)]
    while lacking:
        seen.update(_key(requirement) for requirement in lacking)
        _download(sorted({requirement.name for requirement in lacking}), constraints, folder)
        needs = [need for requirement in lacking for need in _needs(requirement, folder)]
        lacking = [need for need in needs if _key(need) not in seen and not host.satisfies(need)]
    return sorted({key.partition("[")[0] for key in seen})


def requirements_of(project: dict[str, list[str]], base: Sequence[str]) -> Iterator[Requirement]:
    """A project's own requirements that apply on the host, and those of extras it names."""
    for text in (*base, *(need for needs in project.values() for need in needs)):
        if _applies(requirement := Requirement(text), ()):
            yield requirement


def reduce_openvino(folder: Path) -> Path:
    """Put what serving on a CPU needs of OpenVINO's wheel into `openvino.tar.xz`, and drop the wheel."""
    wheel = _wheel("openvino", folder)
    target = folder / "openvino.tar.xz"
    filters = [
        {"id": lzma.FILTER_X86},
        {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 << 20},
    ]
    with (
        zipfile.ZipFile(wheel) as source,
        lzma.open(target, "wb", filters=filters) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for entry in filter(_is_served, source.infolist()):
            info = tarfile.TarInfo(entry.filename)
            info.size, info.mode = entry.file_size, 0o644
            with source.open(entry) as content:
                archive.addfile(info, content)
    wheel.unlink()
    return target


def _is_served(entry: zipfile.ZipInfo) -> bool:
    path = entry.filename
    if entry.is_dir() or path.endswith((".pyi", ".xml", ".txt")):
        return False
    if path.startswith("openvino/libs/"):
        return path.removeprefix("openvino/libs/").startswith(OPENVINO_LIBRARIES)
    return path in OPENVINO_FRONTEND or not path.startswith(OPENVINO_LEFT_OUT)


def _key(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{canonicalize_name(requirement.name)}{extras}"


def _download(names: Sequence[str], constraints: Path, folder: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", "--dest", str(folder)),
        *(f"--platform={platform}" for platform in PLATFORMS),
        *("--constraint", str(constraints), *names),
    ]
    if subprocess.run(command, check=False).returncode:
        raise PackError(f"pip has no wheel for Python {PYTHON} of one of {', '.join(names)}")


def _needs(requirement: Requirement, folder: Path) -> Iterator[Requirement]:
    """What the downloaded wheel of a requirement asks for on the host."""
    with zipfile.ZipFile(_wheel(requirement.name, folder)) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        message = email.message_from_bytes(wheel.read(metadata))
    for text in message.get_all("Requires-Dist", []):
        if _applies(need := Requirement(text), requirement.extras):
            yield need


def _applies(requirement: Requirement, extras: Sequence[str] | set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate(MARKERS | {"extra": extra}) for extra in ("", *extras))


def _wheel(name: str, folder: Path) -> Path:
    (wheel,) = (
        path for path in folder.glob("*.whl") if canonicalize_name(path.name.split("-")[0]) == canonicalize_name(name)
    )
    return wheel
