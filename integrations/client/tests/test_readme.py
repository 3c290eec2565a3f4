"""The README's example does what it says."""

from __future__ import annotations

from pathlib import Path

from support.examples import blocks, run_python

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_run(starter_service, capsys):
    """The mountain that was asked for comes first, and the span that is promised holds it."""
    examples = blocks(README)
    assert len(examples) == 5
    run_python(examples, starter_service.url)["reranker"].close()
    out = capsys.readouterr().out
    assert out.startswith("1 0.")
    assert "starter: without, 512 tokens" in out
