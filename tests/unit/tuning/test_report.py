"""What tuning came to, as a table and as a file of settings."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from bentorank.evaluation.agreement import Agreement, NdcgChange
from bentorank.evaluation.measures import Difference
from bentorank.process.env_file import read_env_file
from bentorank.tuning.candidates import AS_IT_IS, Candidate
from bentorank.tuning.choice import Result
from bentorank.tuning.measuring import Loaded
from bentorank.tuning.report import as_table, overruled, settings_lines
from bentorank.tuning.search import Outcome, Stage

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ONE_THREAD = Candidate((("threads", "1"),))
F32 = Candidate((("precision", "f32"),))
EXACT = Agreement(160, 1.0, 0.0, 0.0, 1.0, 1.0, NdcgChange(0.75, 0.745, Difference(-0.005, -0.01, 0.0, 0, 1, 1)))
IN_FORCE = Result(AS_IT_IS, (100.0, 50.0, 110.0), EXACT, None, 300.0)
FASTER = Result(ONE_THREAD, (150.0, 75.0, 154.0), replace(EXACT, correlation=0.9991), None, 290.0)
LOADED = Loaded("starter", "openvino", "cpu", "int8", 1024, 2, 2)
CHANGED = Outcome(
    LOADED,
    (Stage("threads", (IN_FORCE, FASTER), ((F32, "no room for it"),), ONE_THREAD),),
    ONE_THREAD,
    ("no time left",),
)
KEPT = Outcome(LOADED, (Stage("threads", (IN_FORCE,), (), AS_IT_IS),), AS_IT_IS, ())


def test_the_file_has_the_settings_and_says_what_was_measured(tmp_path: Path) -> None:
    """One assignment for each setting that changes; everything else is comment."""
    (tmp_path / "x.env").write_text(settings_lines(CHANGED, "starter"))
    assert read_env_file(tmp_path / "x.env") == {"BENTORANK_MODEL": "starter", "BENTORANK_THREADS": "1"}
    text = settings_lines(CHANGED, None)
    assert "threads 1: 1.50 times as fast as the settings in force (1.40 to 1.50 in 3 rounds), 150.0 pairs/s" in text
    assert "correlate by 0.9991 with f32's, nDCG@10 0.7500 → 0.7450." in text
    assert "# no time left\n" in text
    assert text.endswith("\nBENTORANK_THREADS=1\n")


def test_a_file_that_changes_nothing_says_so(tmp_path: Path) -> None:
    """And sets nothing."""
    (tmp_path / "x.env").write_text(settings_lines(KEPT, None))
    assert read_env_file(tmp_path / "x.env") == {}
    assert "# Nothing was faster than the settings in force by more than noise" in settings_lines(KEPT, None)


def test_settings_in_force_that_disagree_are_named() -> None:
    """They are the reason for a change that need not be faster."""
    disagreeing = replace(IN_FORCE, objection="ranks otherwise")
    outcome = replace(CHANGED, stages=(replace(CHANGED.stages[0], results=(disagreeing, FASTER)),))
    assert "; as it is the model ranks otherwise." in settings_lines(outcome, None)


def test_the_table_has_every_candidate_and_marks_the_chosen() -> None:
    """Those that could not be measured say why."""
    console = Console(file=io.StringIO(), width=120)
    console.print(as_table(CHANGED))
    shown = console.file.getvalue()
    (chosen,) = [line for line in shown.splitlines() if "→ threads 1" in line]
    assert [cell.strip() for cell in chosen.strip("│").split("│")[1:]] == ["150.0", "1.50 (1.40–1.50)", "0.9991", "290"]
    assert "precision f32: no room for it" in shown


def test_variables_that_would_overrule_the_file_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment wins."""
    monkeypatch.delenv("BENTORANK_THREADS", raising=False)
    assert overruled(CHANGED) == []
    monkeypatch.setenv("BENTORANK_THREADS", "2")
    assert overruled(CHANGED) == ["BENTORANK_THREADS"]
