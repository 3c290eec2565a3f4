"""The examples of the package's README, and that of the front page, do what they say."""

from __future__ import annotations

from pathlib import Path

from support.examples import blocks, run_python
from support.server import REPOSITORY

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_run(starter_service, capsys):
    """The mountain that was asked for comes out, and the span that is promised holds it."""
    whole = [block for block in blocks(README) if "print(" in block or "rerank_span" in block]
    assert len(whole) == 2
    run_python(whole, starter_service.url)
    assert "Everest" in capsys.readouterr().out


def test_the_front_page_s_example_runs(starter_service):
    """As it is copied."""
    (example,) = blocks(REPOSITORY / "README.md", containing="langchain_bentorank")
    names = run_python([example], starter_service.url)
    assert "8,849" in names["best"][0].page_content
