"""Labels of lines do not lie on each other."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from benchmarks.harness.plots import moved_apart


def test_labels_that_have_room_stay() -> None:
    """In whatever order they come."""
    assert moved_apart([0.9, 0.1, 0.5], 0.1) == [0.9, 0.1, 0.5]


def test_close_labels_spread_around_their_middle() -> None:
    """And push those aside that they meet."""
    assert moved_apart([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert moved_apart([0.5, 0.5, 0.62], 0.1) == pytest.approx([0.44, 0.54, 0.64])
