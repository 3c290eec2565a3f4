"""The distributions as `make packages` builds them, or those of a folder that it has filled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.packages.build import build, build_wheel
from deploy.packages.projects import PROJECTS

# Its weights take half a minute to pack twice: the wheel alone is made, straight from the tree.
LARGE = "bentorank-starter"


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one for each distribution; all are whole where BENTORANK_PACKAGES names the folder."""
    if ready := os.environ.get("BENTORANK_PACKAGES"):
        return Path(ready).resolve()
    folder = tmp_path_factory.mktemp("packages")
    for name, project in PROJECTS.items():
        if name == LARGE:
            build_wheel(project, folder / name)
        else:
            build(project, folder / name)
    return folder


@pytest.fixture(scope="session")
def wheels(distributions: Path) -> dict[str, Path]:
    """Wheel files by distribution."""
    return {name: only(distributions / name, "*.whl") for name in PROJECTS}


@pytest.fixture(scope="session")
def sdists(distributions: Path) -> dict[str, Path]:
    """Files by distribution; the large one's where it was built."""
    whole = [name for name in PROJECTS if name != LARGE or os.environ.get("BENTORANK_PACKAGES")]
    return {name: only(distributions / name, "*.tar.gz") for name in whole}


def only(folder: Path, pattern: str) -> Path:
    """The one file that there is."""
    (file,) = folder.glob(pattern)
    return file
