"""Every notebook runs against a real server with the shipped model, and is the pair of its source."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted(Path(__file__).parent.glob("*.ipynb"))


def test_there_are_notebooks():
    """Else the others would test nothing."""
    assert [path.stem for path in NOTEBOOKS] == [
        "01_quickstart",
        "02_langchain",
        "03_llamaindex",
        "04_when_it_breaks",
        "05_choose_and_tune",
        "06_long_documents",
        "07_from_cohere",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_the_pair_of_its_source(path):
    """The .py beside it has the same cells."""
    source, notebook = jupytext.read(path.with_suffix(".py")), jupytext.read(path)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in source.cells
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, starter_service, monkeypatch):
    """From the first cell to the last; its assertions are in it."""
    monkeypatch.setenv("BENTORANK_BASE_URL", starter_service.url)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=540, resources={"metadata": {"path": path.parent}}).execute()
