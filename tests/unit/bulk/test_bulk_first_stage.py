"""`bentorank bulk` with a first stage: what it prunes, what is told of it, and what is refused."""

from __future__ import annotations

import pytest
from support.bulk_lists import bulk, make_rows, ranked, rejected, summary, write_jsonl
from support.three_models import three_models

from bentorank.evaluation.built_in import built_in_task
from bentorank.local import LocalReranker

BY_SMALL = ("--first-stage", "small", "--keep", 2)
# Beyond what the first stage reads, and not beyond what the model reads.
BEYOND = "filler " * 20 + "owls"


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Three models to choose from."""
    path = three_models(tmp_path)
    monkeypatch.setenv("BENTORANK_MODELS", str(path))
    return str(path)


def lists(folder, count=30):
    """Rows of up to seven documents, an empty one and one that only the model reads to its end among them."""
    rows = [{**row, "documents": [*row["documents"], "", BEYOND, "bread hunt owls"]} for row in make_rows(count)]
    return rows, write_jsonl(folder / "in.jsonl", rows)


def test_rows_are_pruned_as_one_by_one(tmp_path, models):
    """With the scores and marks that LocalReranker gives, in both formats; each stage's work is counted apart."""
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    rows, path = lists(tmp_path)
    with LocalReranker(engine="fake", models=models, cache=False) as local:
        expected = [local.rerank(row["query"], row["documents"], first_stage="small", keep=2) for row in rows]
    for output in ("jsonl", "parquet"):
        done = bulk("--in", path, "--out", tmp_path / output, "--format", output, *BY_SMALL)
        assert done.exit_code == 0, done.output
        for row, ranking in zip(ranked(tmp_path / output), expected, strict=True):
            assert row["indices"] == [document.index for document in ranking]
            assert row["scores"] == [document.score for document in ranking]
            marks = [document.unscored for document in ranking]
            assert row["unscored"] == (marks if any(marks) else None)
            assert row["tokens"] == ranking.usage.total_tokens - ranking.usage.first_stage.tokens
    totals, usages = summary(tmp_path / "jsonl"), [ranking.usage for ranking in expected]
    stages = [usage.first_stage for usage in usages]
    assert totals["first_stage"] == {
        "name": "small",
        "keep": 2,
        "pairs": sum(stage.pairs for stage in stages),
        "tokens": sum(stage.tokens for stage in stages),
        "pruned_documents": sum(stage.pruned_documents for stage in stages),
    }
    assert totals["documents"] == sum(len(row["documents"]) for row in rows)
    assert (totals["unscored_documents"], totals["empty_documents"]) == (0, len(rows))
    assert "small, keeps 2 of a row" in done.output


def test_what_is_set_prunes_unless_the_command_says_otherwise(tmp_path, models, monkeypatch):
    """By the service's settings, or those of the model that ranks; enough is kept for what is wanted back."""

    def pruned(*options):
        out = tmp_path / "-".join(["out", *map(str, options)])
        assert bulk("--in", path, "--out", out, *options).exit_code == 0
        return [(row["unscored"] or []).count("pruned") for row in ranked(out)]

    _, path = lists(tmp_path, 3)
    assert pruned() == [0, 0, 0]
    monkeypatch.setenv("BENTORANK_FIRST_STAGE", "small")
    monkeypatch.setenv("BENTORANK_KEEP", "3")
    assert pruned("--keep", 1) == [2, 3, 4]
    assert pruned("--part-rows", 1) == [0, 1, 2]
    assert pruned("--first-stage", "none") == [0, 0, 0]
    assert pruned("--keep", 1, "--top-n", 4) == [0, 0, 0]
    assert pruned("--keep", 1, "--score-threshold", 0) == [0, 0, 0], "nothing is known of it"


def test_a_job_goes_on_with_the_same_first_stage(tmp_path, models):
    """What it counted before stays; with another, or another number to keep, it is refused."""
    _, path = lists(tmp_path)
    whole, out = tmp_path / "whole", tmp_path / "out"
    for folder in (whole, out):
        assert bulk("--in", path, "--out", folder, "--part-rows", 7, *BY_SMALL).exit_code == 0
    journal = out / "_bulk" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))  # as if killed then
    for changed, sentence in (
        (("--keep", 3, "--first-stage", "small"), "keep was 2 and is 3"),
        ((), "first_stage was small and is unset"),
    ):
        done = bulk("--in", path, "--out", out, *changed)
        assert (done.exit_code, sentence in " ".join(done.output.split())) == (2, True), done.output
    assert bulk("--in", path, "--out", out, "--part-rows", 7, *BY_SMALL).exit_code == 0
    assert ranked(out) == ranked(whole)
    differs = ("this_run",)
    assert [{name: value for name, value in summary(each).items() if name not in differs} for each in (out, whole)] == [
        {name: value for name, value in summary(whole).items() if name not in differs}
    ] * 2


def test_a_job_does_not_go_on_with_another_model_before(tmp_path, models):
    """By its fingerprint: its rows would have been pruned otherwise."""
    _, path = lists(tmp_path, 3)
    assert bulk("--in", path, "--out", tmp_path / "out", *BY_SMALL).exit_code == 0
    (tmp_path / "out" / "_bulk" / "journal.jsonl").write_bytes(b"")
    three_models(tmp_path, size_of_small=17)
    done = bulk("--in", path, "--out", tmp_path / "out", *BY_SMALL)
    assert (done.exit_code, "scores would not compare" in " ".join(done.output.split())) == (2, True), done.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--keep", 2), "--keep says how many documents a first stage keeps: name one by --first-stage"),
        (("--first-stage", "none", "--keep", 2), "--keep says how many documents a first stage keeps"),
        (("--first-stage", "huge"), "first_stage is huge, which is neither embeddings nor another model"),
        (("--first-stage", "large"), "first_stage is large, which is neither embeddings nor another model"),
    ],
    ids=str,
)
def test_what_cannot_prune_is_refused_before_anything_is_written(tmp_path, models, options, sentence):
    """Also the model itself."""
    _, path = lists(tmp_path, 1)
    done = bulk("--in", path, "--out", tmp_path / "out", *options)
    assert (done.exit_code, sentence in " ".join(done.output.split())) == (2, True), done.output
    assert not (tmp_path / "out").exists()


def test_a_row_that_cannot_be_ranked_names_the_document_by_its_own_place(tmp_path, models):
    """Not by that among those that were kept; a document that is pruned fails no row."""
    rows = [
        {"id": "poison", "query": "owls", "documents": ["bread", "ships", "[[poison]] owls"]},
        {"id": "long", "query": "owls", "documents": ["bread", "ships", "owls " * 600]},
        {"id": "good", "query": "owls", "documents": ["owls", "whales owls", "bread " * 600]},
    ]
    path = write_jsonl(tmp_path / "in.jsonl", rows)
    done = bulk("--in", path, "--out", tmp_path / "out", *BY_SMALL, "--overflow", "error")
    assert done.exit_code == 1, done.output
    assert [(row["id"], row["field"]) for row in rejected(tmp_path / "out")] == [
        ("poison", "documents[2]"),
        ("long", "documents[2]"),
    ]
    assert [row["id"] for row in ranked(tmp_path / "out")] == ["good"]


def test_a_first_stage_that_fails_ends_the_job(tmp_path, models):
    """What it cannot score is kept; to keep most of all rows by chance would be no ranking."""
    rows = [{**row, "documents": [*row["documents"], "ships", "[[down]]"]} for row in make_rows(20)]
    path = write_jsonl(tmp_path / "in.jsonl", rows)
    done = bulk("--in", path, "--out", tmp_path / "out", "--first-stage", "small", "--keep", 1)
    assert done.exit_code == 2, done.output
    assert "the first stage failed on" in " ".join(done.output.split())
    assert (summary(tmp_path / "out")["rows"], summary(tmp_path / "out")["complete"]) == (0, False)


def test_word_embeddings_prune_what_the_model_would_put_last(tmp_path):
    """Of 30 passages the shipped model reads 12; a model without word embeddings is told."""
    candidates = built_in_task().lists[:3]
    passages = [passage for each in candidates for passage in each.passages]
    row = {"id": 1, "query": candidates[0].query, "documents": passages}
    path = write_jsonl(tmp_path / "in.jsonl", [row])
    by_words = ("--first-stage", "embeddings", "--keep", 12)
    done = bulk("--in", path, "--out", tmp_path / "out", *by_words, "--engine", "auto")
    assert done.exit_code == 0, done.output
    (row,) = ranked(tmp_path / "out")
    assert row["unscored"] == [None] * 12 + ["pruned"] * 18
    assert row["indices"][0] < len(candidates[0].passages), "one of the question's own"
    first_stage = summary(tmp_path / "out")["first_stage"]
    assert (first_stage["pairs"], first_stage["pruned_documents"]) == (30, 18)
    assert first_stage["tokens"] > summary(tmp_path / "out")["tokens"], "whose words no model has read"
    done = bulk("--in", path, "--out", tmp_path / "fake", *by_words)
    assert done.exit_code == 2
    assert "no word embeddings are to be found" in " ".join(done.output.split())
