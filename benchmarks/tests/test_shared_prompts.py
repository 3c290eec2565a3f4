"""The benchmark of what prompts share runs, and its three ways score alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
import torch

from benchmarks.shared_prompts.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """The benchmark computes on one, and this process goes on."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_all_ways_score_alike_and_are_reported(tmp_path: Path) -> None:
    """A tiny run writes both files; prompts share tokens, and no way's logits differ."""
    main(model=["tiny:f32"], documents=3, requests=1, out=tmp_path)
    measured = orjson.loads((tmp_path / "shared_prompts.json").read_bytes())["measured"]
    assert [one["texts"] for one in measured] == ["snippets", "passages"]
    for one in measured:
        assert one["tokens_a_pair"] > one["tokens_that_are_shared"] > 50
        assert one["largest_difference"] < 1e-4
        assert len(one["seconds_a_request"]) == 3
    assert "tiny:f32" in (tmp_path / "shared_prompts.md").read_text()
