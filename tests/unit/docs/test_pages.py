"""The pages of the root: each path, setting and link that they name is there."""

import re
from pathlib import Path

import pytest

from bentorank.settings import Settings, environment_name

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PATH = re.compile(r"`((?:src|tests|benchmarks|integrations|docs|models|deploy)/[\w./-]*|\w+\.(?:py|txt|toml|md))`")
PLACES = ("", "src/bentorank/http/dialects")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_is_there(page):
    """Links and names in backticks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    named = PATH.findall(text) + re.findall(r"\]\((?!http|#)([^)#]+)\)", text)
    missing = [path for path in named if not any((ROOT / place / path).exists() for place in PLACES)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_is_there(page):
    """By its variable, or that in which a caller keeps a key."""
    known = {environment_name(name) for name in Settings.model_fields} | {"BENTORANK_API_KEY"}
    assert set(re.findall(r"BENTORANK_[A-Z_]+", (ROOT / page).read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_is_there(page):
    """In commands, and in backticks."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets
