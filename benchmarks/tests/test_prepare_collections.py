"""Collections survive the way through a BEIR folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.quality.prepare_collections import Collection, numpy_strings, write_beir
from benchmarks.quality.run import load_task

if TYPE_CHECKING:
    from pathlib import Path


def test_printed_numpy_strings_are_read_back() -> None:
    """Quotes of both kinds, backslashes and line breaks within."""
    sentences = ["It's plain.", 'She said "no".', """Both ' and ".""", "A\\B", "first\nsecond"]
    assert numpy_strings(str(np.array(sentences, dtype=object))) == sentences


def test_a_written_collection_is_evaluated_as_it_was(tmp_path: Path) -> None:
    """Titles, queries and judgements; given candidates come in BM25's order, strangers to the query last."""
    passages = {"a": ("Owls", "hunt at night"), "b": ("", "Bread"), "c": ("", "Owls, owls and more owls")}
    write_beir(Collection("toy", passages, {"q": "owls"}, {"q": {"a": 1}}, {"q": ["b", "a"]}), tmp_path)
    task = load_task(tmp_path, top_k=10, limit_queries=None)
    assert task.first_stage == {"q": ["a", "b"]}
    assert task.lists[0].passages == ("Owls hunt at night", "Bread")
    assert task.qrels == {"q": {"a": 1}}
