"""Builds the distributions: `make packages`. A folder each, which a static file server shows to pip as an index.

Each wheel is made from the unpacked sdist, as anyone would make it; the same tree gives the same bytes.
"""

import argparse
import shutil
import tarfile
import tempfile
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from deploy.packages.projects import PROJECTS


def build_sdist(project: Path, target: Path) -> Path:
    """The sdist of a project's folder."""
    (made,) = SdistBuilder(str(project)).build(directory=str(target))
    return Path(made)


def build_wheel(project: Path, target: Path) -> Path:
    """The wheel of a project's folder."""
    (made,) = WheelBuilder(str(project)).build(directory=str(target), versions=["standard"])
    return Path(made)


def build(project: Path, target: Path) -> None:
    """Leave an sdist and its wheel in `target`, and nothing else."""
    shutil.rmtree(target, ignore_errors=True)
    sdist = build_sdist(project, target)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        build_wheel(Path(folder) / sdist.name.removesuffix(".tar.gz"), target)


def main() -> None:
    """Build all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="a folder for a folder of each")
    target = parser.parse_args().target
    for name, project in PROJECTS.items():
        build(project, target / name)
        print(*sorted(str(path) for path in (target / name).iterdir()), sep="\n")


if __name__ == "__main__":
    main()
