"""The README's example does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_examples_run(starter_service, capsys):
    """The mountain that was asked for comes first, and the span that is promised holds it."""
    examples = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    namespace: dict[str, Any] = {}
    for example in examples:
        exec(example.replace("http://127.0.0.1:3000", starter_service.url), namespace)
    namespace["reranker"].close()
    assert len(examples) == 5
    out = capsys.readouterr().out
    assert out.startswith("1 0.")
    assert "starter: without, 512 tokens" in out
