"""A release: one version everywhere, notes from the changelog, and a workflow that publishes what was checked."""

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import bentorank
from deploy.packages.projects import PROJECTS, ROOT
from deploy.packages.version import CHANGELOG, out_of_step, places

WORKFLOWS = ROOT / ".github" / "workflows"


def needs_of_ours(name: str) -> list[Requirement]:
    """What a distribution or one of its extras needs of the others."""
    project = tomllib.loads((PROJECTS[name] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    lines = [*project.get("dependencies", []), *(line for extra in extras for line in extra)]
    return [need for line in lines if (need := Requirement(line)).name in PROJECTS and need.name != name]


def test_versions_are_in_step():
    """Modules, packages, chart and images name one version, and the changelog tells of it."""
    assert out_of_step(bentorank.__version__) == []
    assert re.search(rf"^## {re.escape(bentorank.__version__)}\b", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)


def test_what_a_package_needs_of_ours_this_release_is():
    """Its ranges hold the version, and no version of another major number."""
    next_major = f"{Version(bentorank.__version__).major + 1}.{Version(bentorank.__version__).minor}"
    needs = [need for name in PROJECTS for need in needs_of_ours(name)]
    assert len(needs) == 4
    assert all(need.specifier.contains(bentorank.__version__) for need in needs)
    assert not [need for need in needs if need.specifier.contains(next_major)]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what names the version, of the scripts, and of a changelog with something new."""
    for file in {place.file for place in places()}:
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    shutil.copytree(ROOT / "deploy" / "packages", tmp_path / "deploy" / "packages")
    old = f"## {bentorank.__version__}\n\n- What was there.\n"
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n\n{old}")
    return tmp_path


def run(checkout: Path, script: str, word: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", f"deploy.packages.{script}", word]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=30, check=False)


def test_a_release_is_written_everywhere_and_has_its_notes(checkout):
    """Every place says the new version, unreleased entries become its notes, and its tag alone is good."""
    assert run(checkout, "version", "0.23.4").returncode == 0
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert re.search(r"^## Unreleased\n\n## 0\.23\.4 - \d{4}-\d\d-\d\d\n\n### Added$", changelog, re.MULTILINE)
    for place in places():
        copy = replace(place, file=checkout / place.file.relative_to(ROOT))
        assert set(copy.found()) == {copy.expected("0.23.4")}, place
    notes = run(checkout, "notes", "v0.23.4")
    assert (notes.returncode, notes.stdout) == (0, "### Added\n\n- A thing.\n")
    refused = run(checkout, "notes", "v0.23.5")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "src/bentorank/__init__.py says 0.23.4, and not 0.23.5" in refused.stderr
    assert "CHANGELOG.md says nothing of 0.23.5" in refused.stderr


def test_a_release_tells_of_everything_in_it(checkout):
    """Entries that still stand under Unreleased stop it."""
    refused = run(checkout, "notes", f"v{bentorank.__version__}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "entries under Unreleased" in refused.stderr


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3rc1", bentorank.__version__])
def test_no_release_has_a_wrong_number(checkout, version):
    """Three numbers, which no release before has had."""
    before = {file: file.read_bytes() for file in checkout.rglob("*") if file.is_file() and file.suffix != ".pyc"}
    assert run(checkout, "version", version).returncode == 2
    assert {file: file.read_bytes() for file in before} == before


@pytest.fixture(scope="module")
def jobs():
    """Of the workflow that publishes."""
    return yaml.safe_load((WORKFLOWS / "publish.yml").read_text(encoding="utf-8"))["jobs"]


def before(jobs, name: str) -> set[str]:
    """The jobs that must have succeeded before a job starts."""
    needed = jobs[name].get("needs", [])
    needed = {needed} if isinstance(needed, str) else set(needed)
    return needed.union(*(before(jobs, other) for other in needed))


def publishing(jobs) -> dict[str, str]:
    """The job that publishes each distribution."""
    return {
        package: name
        for name, job in jobs.items()
        if any("pypi-publish" in step.get("uses", "") for step in job.get("steps", []))
        for package in job["strategy"]["matrix"]["package"]
    }


def test_tags_alone_publish():
    """No branch, no pull request, no button."""
    workflow = yaml.safe_load((WORKFLOWS / "publish.yml").read_text(encoding="utf-8"))
    # YAML 1.1 reads `on` as true.
    assert workflow[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert workflow["permissions"] == {}


def test_every_distribution_is_published_after_what_it_needs(jobs):
    """And after the tests, the refusal of wrong tags, and the check of the very files."""
    published = publishing(jobs)
    assert published.keys() == PROJECTS.keys()
    order = list(PROJECTS)
    for name, job in published.items():
        assert before(jobs, job) >= {"test", "build", "check"}
        assert all(published[need.name] in before(jobs, job) for need in needs_of_ours(name))
        assert all(order.index(need.name) < order.index(name) for need in needs_of_ours(name))
    assert set(published.values()) <= before(jobs, "announce")


def test_only_what_uploads_may_say_who_it_is(jobs):
    """An identity for the index goes to those jobs, in an environment that can ask for consent; they build nothing."""
    for name, job in jobs.items():
        if name not in publishing(jobs).values():
            assert "id-token" not in job["permissions"]
            continue
        assert job["permissions"] == {"id-token": "write"}
        assert job["environment"]["name"] == "pypi"
        assert not [step for step in job["steps"] if "run" in step]
        assert not [step for step in job["steps"] if step.get("with", {}).keys() & {"password", "user", "attestations"}]


def test_actions_are_pinned_to_commits():
    """A tag can be moved by whoever holds the action."""
    for workflow in WORKFLOWS.glob("*.yml"):
        uses = re.findall(r"uses: (\S+)(.*)", workflow.read_text(encoding="utf-8"))
        assert uses
        for action, comment in uses:
            assert action.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), action
            assert action.startswith("./") or re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
