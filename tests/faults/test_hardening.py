"""What hardening promises, at length: every engine in the sandbox, ten thousand strangers, an image's packages."""

import json
import subprocess
import sys

import pytest
from support.keys import KEY
from support.sandbox import needs_bubblewrap, visit_in_sandbox
from support.server import BIN, REPOSITORY, running_server
from support.strangers import series_before_and_after

pytestmark = [pytest.mark.process, pytest.mark.fault]


@needs_bubblewrap
@pytest.mark.parametrize(
    ("command", "settings"),
    [
        (["bentoml", "serve", "service:BentoRank"], {}),
        (["bentorank", "serve"], {"engine": "torch"}),
        (["bentorank", "serve"], {"engine": "openvino", "precision": "f32"}),
        (["bentorank", "serve"], {"engine": "fake", "workers": 2, "api_keys": "a-key-of-nobody"}),
    ],
    ids=str,
)
def test_every_way_of_serving_needs_no_rights_and_no_network(tmp_path, command, settings):
    """Also where a model is converted first, and where nothing has turned BentoML's usage tracking off."""
    told = visit_in_sandbox(tmp_path, [str(BIN / command[0]), *command[1:]], drain_s=1, **settings)
    assert told["ready"], told["log"]
    assert told["drains"]
    assert told["exit"] == 0, told["log"]
    assert "Read-only" not in told["log"]
    if "api_keys" not in settings:
        assert [result["index"] for result in told["ranking"]["results"]] == [1, 0]
    assert told["sent_outside"] == 0
    assert told["sent_outside_when_tried"] > 0


@pytest.mark.parametrize("keys", ["", KEY])
def test_ten_thousand_strangers_leave_no_series(tmp_path, keys):
    """With keys and without, two workers, and a log of every request."""
    guarded = {"api_keys": keys} if keys else {}
    with running_server(tmp_path, engine="fake", workers=2, access_log=True, **guarded) as server:
        before, after = series_before_and_after(server, 10_000, keys)
    assert after == before


def test_an_image_has_the_packages_that_the_bento_lists(tmp_path):
    """Installed as the image installs them, with every hash checked; a package that was changed is refused."""
    environment = tmp_path / "environment"
    subprocess.run([REPOSITORY / "deploy" / "make-sbom", BIN], check=True, timeout=60)
    listed = json.loads((REPOSITORY / "deploy" / "sbom.cdx.json").read_text())["components"]
    uv = str(BIN / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True, timeout=60)
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(environment / "bin" / "python")]
    locked = REPOSITORY / "deploy" / "requirements.txt"
    subprocess.run([*install, "--requirement", locked], check=True, timeout=400)
    show = [uv, "pip", "list", "--format", "json", "--python", str(environment / "bin" / "python")]
    installed = json.loads(subprocess.run(show, check=True, capture_output=True, timeout=60).stdout)
    assert {(package["name"], package["version"]) for package in installed} == {
        (component["purl"].removeprefix("pkg:pypi/").partition("@")[0], component["version"]) for component in listed
    }
    changed = tmp_path / "changed.txt"
    changed.write_text("idna==3.20 --hash=sha256:" + "0" * 64)
    refused = subprocess.run(
        [*install, "--reinstall", "--requirement", changed], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode != 0
    assert "hash" in refused.stderr.lower()
