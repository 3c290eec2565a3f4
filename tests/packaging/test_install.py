"""`deploy/install.py` installs what pip would, by uv where pip's settings can be told to it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "deploy" / "install.py"
# How each says what it would do.
UVS, PIPS = " + bentorank-parcel==", "bentorank-parcel-"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """A folder with two versions of a package."""
    folder = tmp_path_factory.mktemp("shelf")
    for version in ("1.0", "2.0"):
        with zipfile.ZipFile(folder / f"bentorank_parcel-{version}-py3-none-any.whl", "w") as wheel:
            about = f"bentorank_parcel-{version}.dist-info"
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: bentorank-parcel\nVersion: {version}\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
    return folder


def planned(tmp_path: Path, settings: str, *arguments: str, **environment: str) -> str:
    """What would be installed where pip has these settings and no others."""
    file = tmp_path / "pip.conf"
    file.write_text(settings)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    done = subprocess.run(
        [sys.executable, str(INSTALL), "--dry-run", *arguments, "bentorank-parcel"],
        env=kept | {"PIP_CONFIG_FILE": str(file)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("settings", "installer"),
    [
        ("[global]\nno-index = true\n[install]\nfind-links =\n    {shelf}\n    {shelf}/none\n", UVS),
        ("[global]\nno-index = true\nfind-links = {shelf}\nprefer-binary = true\n", PIPS),
    ],
)
def test_packages_come_from_where_pip_would_take_them(tmp_path, shelf, settings, installer):
    """A setting of pip's that uv has no word for leaves the work to pip."""
    (shelf / "none").mkdir(exist_ok=True)
    assert f"{installer}2.0" in planned(tmp_path, settings.format(shelf=shelf))


@pytest.mark.parametrize("place", ["setting", "option"])
def test_constraints_hold(tmp_path, shelf, place):
    """Those of pip's settings, and those that make names."""
    file = tmp_path / "constraints.txt"
    file.write_text("bentorank-parcel<2\n")
    settings = f"[global]\nno-index = true\nfind-links = {shelf}\n"
    if place == "setting":
        said = planned(tmp_path, settings + f"constraint = {file}\n")
    else:
        said = planned(tmp_path, settings, "--constraint", str(file))
    assert f"{UVS}1.0" in said


def test_pip_installs_where_uv_cannot(tmp_path, shelf):
    """The variable tells uv alone of a folder that is not there."""
    settings = f"[global]\nno-index = true\nfind-links = {shelf}\n"
    said = planned(tmp_path, settings, UV_FIND_LINKS=str(tmp_path / "gone"))
    assert "installing with pip" in said
    assert f"{PIPS}2.0" in said
