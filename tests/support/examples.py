"""The examples of pages, run against a server of the tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DOCUMENTED_URL = "http://127.0.0.1:3000"


def blocks(page: Path, language: str = "python", containing: str = "") -> list[str]:
    """The page's code blocks in `language` that contain a text."""
    found = re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [block for block in found if containing in block]


def run_python(examples: Iterable[str], url: str) -> dict[str, Any]:
    """Run them one after the other, as somebody who copies them would; the names that they leave."""
    names: dict[str, Any] = {}
    for example in examples:
        exec(example.replace(DOCUMENTED_URL, url), names)
    return names
