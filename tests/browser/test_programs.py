"""The programs that the page offers do what the page shows."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
from support.playground import ask, lane, order, program, slide, wait_until_ranked  # noqa: E402
from support.server import REPOSITORY  # noqa: E402

expect = sync_api.expect

# `make test-notebooks` makes an environment with every framework.
WITH_FRAMEWORKS = REPOSITORY / ".venv-notebooks" / "bin" / "python"
PYTHON = WITH_FRAMEWORKS if WITH_FRAMEWORKS.exists() else sys.executable
NEEDED = {
    "Python": "bentorank_client",
    "LangChain": "langchain_bentorank",
    "LlamaIndex": "llama_index.postprocessor.bentorank",
    "Haystack": "haystack_integrations.components.rankers.bentorank",
}
# Whatever a shell, a heredoc, JSON or Python might make of it.
NASTY = [
    'It\'s "$HOME" `id` \\ %s {} \\n',
    "JSON",
    "caf\u00e9 \u65e5\u672c \U0001f600 \u2028",
    "<<'JSON' #",
    "Owls eat mice.",
]


@pytest.fixture
def nasty_page(page):
    """Texts that quoting gets wrong, ranked with settings that a program must have too."""
    ask(page, "what do 'owls' eat?", "\n".join(text for text in NASTY))
    wait_until_ranked(page, len(NASTY))
    lane(page).get_by_label("Long documents").select_option("chunk")
    wait_until_ranked(page, len(NASTY))
    slide(page.get_by_label("Top n"), 3)
    return page


def test_the_curl_line_gets_the_same_ranking(nasty_page):
    """In a shell, as it is copied."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here: Debian's package curl brings it")
    line = program(nasty_page, "curl")
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=True)
    found = [int(index) for index in re.findall(r'"index":(\d+),"score"', done.stdout)]
    assert found == order(lane(nasty_page))[:3]


@pytest.mark.parametrize("language", NEEDED)
def test_the_program_gets_the_same_ranking(nasty_page, language):
    """As it is copied; where its framework is not installed, it is Python at least."""
    text = program(nasty_page, language)
    ast.parse(text)
    assert 'overflow="chunk"' in text
    if not installed(NEEDED[language]):
        pytest.skip(f"{NEEDED[language]} is not installed: make test-notebooks does")
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", text],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = [line.split(" ", 1) for line in re.split(r"\n(?=\d\.\d{4} )", done.stdout.removesuffix("\n"))]
    rows = nasty_page.locator(".ranked").all()[:3]
    assert [f"{float(score):.3f}" for score, _ in printed] == [row.locator(".score").inner_text() for row in rows]
    shown = order(lane(nasty_page))[:3]
    assert [text for _, text in printed] == [NASTY[index].strip() for index in shown]


def installed(module):
    """Whether it can be imported."""
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", f"import {module}"], capture_output=True, check=False, timeout=120
    )
    return done.returncode == 0


def test_the_button_copies(visit, service):
    """To the clipboard; where there is none, as without HTTPS, it is marked to be copied by hand."""
    page = visit(service, permissions=["clipboard-read", "clipboard-write"])
    page.locator(".ranked").first.wait_for()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.get_by_role("tabpanel").inner_text()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Selected: press Ctrl C.")).to_be_visible()
    assert page.evaluate("getSelection().toString()").strip() == page.get_by_role("tabpanel").inner_text().strip()
