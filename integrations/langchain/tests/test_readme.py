"""The examples of the package's README, and that of the front page, do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FRONT_PAGE = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_the_examples_run(starter_service, capsys):
    """The mountain that was asked for comes out, and the span that is promised holds it."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    whole = [block for block in blocks if "print(" in block or "rerank_span" in block]
    assert len(whole) == 2
    namespace: dict[str, Any] = {}
    for example in whole:
        exec(example.replace("http://127.0.0.1:3000", starter_service.url), namespace)
    assert "Everest" in capsys.readouterr().out


def test_the_front_page_s_example_runs(starter_service):
    """As it is copied."""
    blocks = re.findall(r"```python\n(.*?)```", FRONT_PAGE, flags=re.DOTALL)
    (example,) = [block for block in blocks if "langchain_bentorank" in block]
    namespace: dict[str, Any] = {}
    exec(example.replace("http://127.0.0.1:3000", starter_service.url), namespace)
    assert "8,849" in namespace["best"][0].page_content
