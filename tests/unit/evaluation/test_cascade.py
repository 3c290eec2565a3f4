"""What a first stage costs and gains, measured with fake engines, of which one reads little."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bentorank.cli.app import app
from bentorank.engines.fake import FakeEngine
from bentorank.evaluation.cascade import measure_cascade, overlap
from bentorank.evaluation.collection import Task
from bentorank.evaluation.reranking import CandidateList
from bentorank.evaluation.scorers import EngineScorer
from bentorank.evaluation.staged import EngineStages, ModelSifter

if TYPE_CHECKING:
    from pathlib import Path

FAR = "filler " * 20 + "owls"
PASSAGES = ("none", FAR, "owls here", "", "other")
STAGES = EngineStages(EngineScorer(FakeEngine()), ModelSifter(EngineScorer(FakeEngine(max_tokens=16))))


def task(relevant: str) -> Task:
    names = ("none", "far", "near", "empty", "other")
    return Task((CandidateList("q", "owls", names, PASSAGES),), {"q": {relevant: 1}}, missing=0)


def test_the_model_reads_what_the_first_stage_keeps() -> None:
    """Then come empty documents, then the pruned ones in that stage's order; without it, all in the model's."""
    whole = STAGES.rank("owls", PASSAGES, None)
    assert {*whole[:2]} == {1, 2}
    assert whole[-1] == 3
    kept = STAGES.rank("owls", PASSAGES, 1)
    assert kept[:2] == [2, 3]
    assert sorted(kept) == [0, 1, 2, 3, 4]
    assert STAGES.rank("owls", PASSAGES, 4) == whole


def test_what_it_loses_is_measured() -> None:
    """nDCG@10 falls where the first stage prunes what was relevant, and not where it keeps it."""
    heard: list[int] = []
    report, rankings = measure_cascade(task("far"), STAGES, [1, 4], heard.append)
    assert heard == [5]
    whole, one, four = report.rows
    assert (whole.keep, one.keep, four.keep) == (None, 1, 4)
    assert one.quality is not None
    assert one.quality.difference is not None
    assert one.quality.difference.mean < 0
    assert report.ndcg_loss[1] > 0
    assert report.ndcg_loss[4] == 0
    assert whole.overlap == four.overlap == 1
    assert rankings[None] == rankings[4]
    assert whole.speed == 1
    near, _ = measure_cascade(task("near"), STAGES, [1])
    assert near.rows[1].quality is not None
    assert near.rows[1].quality.ndcg >= 0.6


def test_overlap_is_of_the_ten_best() -> None:
    """Their order does not count; of shorter lists all are the best."""
    whole = {"long": [str(n) for n in range(20)], "short": ["a", "b"], "none": []}
    other = {"long": [*map(str, range(9, -1, -1))], "short": ["b", "c", "a"], "none": []}
    assert overlap(whole, other) == 1
    assert overlap(whole, {"long": [str(n) for n in range(5, 20)], "short": ["c"], "none": []}) == (0.5 + 0) / 2


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    lines = [json.dumps({"_id": str(n), "text": text}) for n, text in enumerate(PASSAGES) if text]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    (tmp_path / "queries.tsv").write_text("q\towls\n")
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t2\t1\n")
    options = {"corpus": "corpus.jsonl", "queries": "queries.tsv", "qrels": "qrels.tsv"}
    named = [part for name, file in options.items() for part in (f"--{name}", str(tmp_path / file))]
    return [*named, "--engine", "fake", "--candidates", "all"]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["eval", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_eval_prints_what_a_first_stage_costs_and_gains(files: list[str]) -> None:
    """As a table, and as JSON."""
    status, out, _ = run(*files, "--first-stage", "fake")
    assert status == 0
    for told in (
        "fake (fake f32) before fake (fake f32)",
        "nDCG@10",
        "same 10",
        "s/query",
        "speed",
        "all",
        "100.0 %",
        "50",
    ):
        assert told in out
    status, out, _ = run(*files, "--first-stage", "fake", "--keep", "2", "--json")
    assert status == 0
    report = json.loads(out)
    assert len(report["rows"]) == 2
    all_read, two = report["cascade"]["rows"]
    assert (all_read["keep"], two["keep"]) == (None, 2)
    assert two["quality"]["difference"]["mean"] == 0
    assert two["seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--keep", "5"], "--keep says how many documents a first stage keeps: name one by --first-stage"),
        (["--first-stage", "embeddings"], "no word embeddings are to be found in this model"),
        (["--first-stage", "fake", "--bi-encoder", "x"], "measured one at a time: leave one out"),
    ],
)
def test_what_cannot_be_measured_is_said(files: list[str], arguments: list[str], problem: str) -> None:
    """In one line, with status 2."""
    status, out, err = run(*files, *arguments)
    assert (status, out) == (2, "")
    assert problem in err
