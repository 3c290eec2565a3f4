"""docs/reliability.md has a row for each fault, and every test and file that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([A-Z]\d+) \|(.*)\|$", re.MULTILINE)
NAMED = re.compile(r"`(test_\w+)`")
# How many rows each letter has.
ROWS = {"F": 16, "R": 8, "O": 11, "C": 8, "S": 6, "X": 12}


def functions():
    """Names of all test functions of the repository."""
    files = [
        path
        for folder in ("tests", "benchmarks/tests", "integrations", "deploy")
        for path in (ROOT / folder).rglob("test_*.py")
    ]
    return {
        name
        for path in files
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_every_row_is_there_once():
    """In order, with a target, a figure or a dash, and what proves it."""
    expected = [f"{letter}{number}" for letter, rows in ROWS.items() for number in range(1, rows + 1)]
    rows = ROW.findall(PAGE)
    assert [row for row, _ in rows] == expected
    assert {cells.count("|") for _, cells in rows} == {3}


def test_every_test_that_is_named_is_there():
    """By the name of its function."""
    named = set(NAMED.findall(PAGE))
    assert named
    assert named - functions() == set()


def test_every_link_leads_somewhere():
    """To files of the repository."""
    links = re.findall(r"\]\((?!http|#)([^)#]+)\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
