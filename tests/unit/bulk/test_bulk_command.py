"""`bentorank bulk` in one process, with the fake engine: what goes in, what comes out, what is refused."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import sys

import pytest
from filelock import FileLock
from support.bulk_lists import bulk, make_rows, ranked, rejected, summary, write_jsonl
from support.server import REPOSITORY

from bentorank.bulk.columns import COLUMNS
from bentorank.local import LocalReranker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyarrow.*")


def test_rows_are_ranked_as_one_by_one(tmp_path):
    """In the order of the input, each once, with the scores that LocalReranker gives them."""
    rows = make_rows(57)
    done = bulk("--in", write_jsonl(tmp_path / "in.jsonl", rows), "--out", tmp_path / "out", "--part-rows", 20)
    assert done.exit_code == 0, done.output
    with LocalReranker(engine="fake") as local:
        expected = [local.rerank(row["query"], row["documents"]) for row in rows]
    found = ranked(tmp_path / "out")
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    for row, ranking in zip(found, expected, strict=True):
        assert row["indices"] == [document.index for document in ranking]
        assert row["scores"] == [document.relevance_score for document in ranking]
        assert row["truncated"] == [False] * len(ranking.results)
    assert len([*(tmp_path / "out").glob("part-*.jsonl")]) == 3
    totals = summary(tmp_path / "out")
    assert totals["complete"]
    assert (totals["rows"], totals["ranked"], totals["rejected"], totals["parts"]) == (57, 57, 0, 3)
    assert totals["documents"] == sum(len(row["documents"]) for row in rows)


@pytest.mark.parametrize("kind", ["text", "number"])
def test_parquet_has_the_same_rows(tmp_path, kind):
    """Ids keep their type; the folder is a data set to readers of Parquet; documents may be objects."""
    pq = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    pa = pytest.importorskip("pyarrow")
    rows = make_rows(40)
    if kind == "number":
        rows = [{**row, "id": number, "extra": "unread"} for number, row in enumerate(rows)]
    else:
        rows = [{**row, "documents": [{"text": text} for text in row["documents"]]} for row in rows]
    (tmp_path / "in").mkdir()
    table = pa.Table.from_pylist(rows)
    for part, begin in enumerate((0, 30)):
        pq.write_table(table.slice(begin, 30 - 20 * part), tmp_path / "in" / f"{part}.parquet", row_group_size=7)
    done = bulk("--in", tmp_path / "in", "--out", tmp_path / "out", "--part-rows", 16)
    assert done.exit_code == 0, done.output
    texts = [{**row, "documents": [d["text"] if kind == "text" else d for d in row["documents"]]} for row in rows]
    bulk("--in", write_jsonl(tmp_path / "in.jsonl", texts), "--out", tmp_path / "lines")
    assert ranked(tmp_path / "out") == ranked(tmp_path / "lines")
    assert pq.read_table(tmp_path / "out").num_rows == 40


def test_a_row_that_cannot_be_ranked_is_set_aside_with_its_reason(tmp_path):
    """Field, limit and place; nothing of what it says. The others are ranked, and the status is 1."""
    long_query = "secret " * 300
    rows = [
        {"id": "good", "query": "owls", "documents": ["owls hunt"]},
        "this secret is no JSON",
        '["secret"]',
        {"query": "owls", "documents": ["secret"]},
        {"id": 1.5, "query": "owls", "documents": ["secret"]},
        {"id": "blank", "query": " ", "documents": ["secret"]},
        {"id": "missing", "query": "owls"},
        {"id": "wrong", "query": "owls", "documents": ["secret", 7]},
        {"id": "many", "query": "owls", "documents": ["secret"] * 1001},
        {"id": "long", "query": long_query, "documents": ["secret"]},
        {"id": "poison", "query": "owls", "documents": ["secret", "[[poison]]"]},
        "",
        {"id": "nothing", "query": "owls", "documents": []},
        '{"id": "half", "query": "owls \\ud83d", "documents": ["owls"]}',
    ]
    done = bulk("--in", write_jsonl(tmp_path / "in.jsonl", rows), "--out", tmp_path / "out")
    assert done.exit_code == 1, done.output
    assert [row["id"] for row in ranked(tmp_path / "out")] == ["good", "nothing", "half"]
    aside = rejected(tmp_path / "out")
    assert [(row["id"], row["field"]) for row in aside] == [
        (None, "row"),
        (None, "row"),
        (None, "id"),
        (None, "id"),
        ("blank", "query"),
        ("missing", "documents"),
        ("wrong", "documents[1]"),
        ("many", "documents"),
        ("long", "query"),
        ("poison", "documents[1]"),
    ]
    assert "limit of 1000" in aside[7]["reason"]
    assert aside[0]["byte"] == len(json.dumps(rows[0])) + 1
    for told in (done.output, (tmp_path / "out" / "_bulk" / "rejected.jsonl").read_text()):
        assert "secret" not in told
    totals = summary(tmp_path / "out")
    assert (totals["rows"], totals["ranked"], totals["rejected"]) == (13, 3, 10)
    assert totals["rejected_for"]["documents: scoring_failed"] == 1


def test_a_document_that_cannot_be_scored_may_be_left_last(tmp_path):
    """With `--on-item-error skip` its score is null, in both formats."""
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    lists = write_jsonl(tmp_path / "in.jsonl", [{"id": "a", "query": "owls", "documents": ["[[poison]]", "owls"]}])
    for output in ("jsonl", "parquet"):
        done = bulk("--in", lists, "--out", tmp_path / output, "--on-item-error", "skip", "--format", output)
        assert done.exit_code == 0, done.output
        (row,) = ranked(tmp_path / output)
        assert row["indices"] == [1, 0]
        assert row["scores"][1] is None


def test_options_shape_the_ranking(tmp_path):
    """Cut, presented, split into chunks with spans, cut documents marked."""
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    long = " ".join(["bread"] * 600 + ["owls"])
    lists = write_jsonl(tmp_path / "in.jsonl", [{"id": 1, "query": "owls", "documents": ["bread", long, "owls"]}])
    bulk("--in", lists, "--out", tmp_path / "cut", "--top-n", 2, "--score-mode", "logit")
    (row,) = ranked(tmp_path / "cut")
    assert len(row["indices"]) == 2
    assert row["scores"][0] > 4
    bulk("--in", lists, "--out", tmp_path / "all")
    (row,) = ranked(tmp_path / "all")
    assert dict(zip(row["indices"], row["truncated"], strict=True)) == {0: False, 1: True, 2: False}
    assert row["spans"] is None
    bulk("--in", lists, "--out", tmp_path / "chunks", "--overflow", "chunk", "--format", "parquet")
    (row,) = ranked(tmp_path / "chunks")
    assert row["spans"][row["indices"].index(1)]["end"] == len(long)
    done = bulk("--in", lists, "--out", tmp_path / "error", "--overflow", "error")
    assert done.exit_code == 1
    assert "601 tokens, and beside this query the model reads 510" in rejected(tmp_path / "error")[0]["reason"]


def test_an_instruction_that_a_model_does_not_read_is_counted(tmp_path):
    """As its warning would say of a request."""
    row = {"id": 1, "query": "owls", "documents": ["owls"], "instruction": "find owls"}
    done = bulk(
        "--in", write_jsonl(tmp_path / "in.jsonl", [row, {**row, "instruction": None}]), "--out", tmp_path / "o"
    )
    assert done.exit_code == 0, done.output
    assert summary(tmp_path / "o")["ignored_instructions"] == 1
    assert "1 ignored: this model reads none" in done.output


def test_lines_may_be_zipped_or_too_long(tmp_path, monkeypatch):
    """A line beyond the limit of a body is passed over unread, and those after it are ranked."""
    monkeypatch.setenv("BENTORANK_MAX_BODY_BYTES", "1000")
    rows = [*make_rows(3), {"id": "huge", "query": "owls", "documents": ["x" * 5000]}, *make_rows(5)[3:]]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(lines))
    done = bulk("--in", tmp_path / "*.gz", "--out", tmp_path / "out")
    assert done.exit_code == 1, done.output
    assert [row["id"] for row in ranked(tmp_path / "out")] == [f"row-{number}" for number in range(5)]
    assert rejected(tmp_path / "out")[0]["reason"].endswith("bytes, more than the limit of 1000")


def test_damaged_files_are_told(tmp_path):
    """What could be read before is ranked, once, however often it is tried."""
    pq, pa = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow"), pytest.importorskip("pyarrow")
    lines = "".join(json.dumps(row) + "\n" for row in make_rows(2000)).encode()
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines)[:-5000])
    pq.write_table(pa.Table.from_pylist(make_rows(2000)), tmp_path / "bad.parquet", compression="zstd")
    content = bytearray((tmp_path / "bad.parquet").read_bytes())
    content[1000:9000] = bytes(8000)
    (tmp_path / "bad.parquet").write_bytes(content)
    for name in ("cut.jsonl.gz", "cut.jsonl.gz", "bad.parquet"):
        done = bulk("--in", tmp_path / name, "--out", tmp_path / name[:3], "--part-rows", 10)
        assert done.exit_code == 2, done.output
        assert f"{name}: is damaged; what could be read before that is ranked and kept" in " ".join(done.output.split())
    found = [row["id"] for row in ranked(tmp_path / "cut")]
    assert found == [f"row-{number}" for number in range(len(found))]
    assert 500 < len(found) < 2000


def test_the_output_may_lie_within_the_input(tmp_path):
    """It is never taken for input, neither while it grows nor afterwards."""
    write_jsonl(tmp_path / "in.jsonl", make_rows(5))
    for _ in range(2):
        done = bulk("--in", tmp_path, "--in", tmp_path / "**" / "*.jsonl", "--out", tmp_path / "ranked")
        assert done.exit_code == 0, done.output
    assert len(ranked(tmp_path / "ranked")) == 5


def test_splits_of_a_file_have_every_line_once(tmp_path, monkeypatch):
    """Wherever their ends fall, and where blank lines and a missing last line end stand."""
    rows = make_rows(30)
    text = "\n\n".join(json.dumps(row) for row in rows)
    (tmp_path / "in.jsonl").write_text(text)
    monkeypatch.setattr("bentorank.bulk.jsonl_input.SPLIT_BYTES", len(json.dumps(rows[0])) + 2)
    done = bulk("--in", tmp_path / "in.jsonl", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert [row["id"] for row in ranked(tmp_path / "out")] == [row["id"] for row in rows]


def test_a_finished_job_stays_as_it_is(tmp_path):
    """Asked again it says what it came to, and ranks nothing."""
    lists = write_jsonl(tmp_path / "in.jsonl", make_rows(5))
    bulk("--in", lists, "--out", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    again = bulk("--in", lists, "--out", tmp_path / "out")
    assert again.exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")} == before
    assert summary(tmp_path / "out")["this_run"]["rows"] == 0


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (["--top-n", "1"], "top_n was unset and is 1"),
        (["--overflow", "chunk"], "overflow was truncate and is chunk"),
        (["--env-file", "window.env"], "was begun with fake, fake f32"),
        (["--in", "more.jsonl"], "1 files then, 2 now"),
        (["--id-column", "number"], "id_column was id and is number"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_job_is_not_gone_on_with_otherwise(tmp_path, monkeypatch, changed, sentence):
    """Status 2 and what is different, since its rows would not compare."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "window.env").write_text("BENTORANK_MAX_PAIR_TOKENS=99\n")
    write_jsonl(tmp_path / "more.jsonl", make_rows(1))
    lists = write_jsonl(tmp_path / "in.jsonl", make_rows(5))
    assert bulk("--in", lists, "--out", "out").exit_code == 0
    journal = tmp_path / "out" / "_bulk" / "journal.jsonl"
    journal.write_bytes(b"")  # as if killed before its first part
    done = bulk("--in", lists, "--out", "out", *changed)
    assert done.exit_code == 2
    assert sentence in done.output


def test_input_that_has_changed_is_not_gone_on_with(tmp_path):
    """By its name, size and ends."""
    lists = write_jsonl(tmp_path / "in.jsonl", make_rows(5))
    bulk("--in", lists, "--out", tmp_path / "out")
    write_jsonl(lists, make_rows(6)[1:])
    done = bulk("--in", lists, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "in.jsonl has changed" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--in", "nowhere*", "--out", "out"], "--in nowhere*: no such file, folder or pattern"),
        (["--in", "empty", "--out", "out"], "no .parquet, .pq, .jsonl or .ndjson file in it"),
        (["--in", "in.jsonl", "--out", "mine"], "--out mine: is not empty"),
        (["--in", "in.jsonl", "--out", "in.jsonl"], "is a file, not a folder"),
        (["--in", "in.jsonl", "--in", "x.parquet", "--out", "out"], "holds both Parquet and JSON lines"),
        (["--in", "x.parquet", "--out", "out"], "is not a Parquet file that can be read"),
        (["--in", "in.jsonl", "--out", "out", "--actors", "2"], "--actors needs --address"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path, monkeypatch, arguments, sentence):
    """Status 2, and nothing is written."""
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "in.jsonl", make_rows(2))
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really PAR1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = bulk(*arguments)
    assert done.exit_code == 2, done.output
    assert sentence in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()
    assert [*(tmp_path / "mine").iterdir()] == [tmp_path / "mine" / "thesis.txt"]


def test_one_job_at_a_time_writes_to_a_folder(tmp_path):
    """The second is refused while the first works on."""
    lists, out = write_jsonl(tmp_path / "in.jsonl", make_rows(2)), tmp_path / "out"
    (out / "_bulk").mkdir(parents=True)
    with FileLock(out / "_bulk" / "lock"):
        done = bulk("--in", lists, "--out", out)
    assert done.exit_code == 2
    assert "another job is writing there" in done.output
    assert bulk("--in", lists, "--out", out).exit_code == 0


def test_an_engine_that_fails_sets_no_rows_aside(tmp_path):
    """The job ends, and goes on when the engine is well again."""
    rows = [*make_rows(40), {"id": "last", "query": "owls", "documents": ["owls"]}]
    broken = [{**row, "documents": [*row["documents"], "[[down]]"]} for row in rows]
    lists = write_jsonl(tmp_path / "in.jsonl", broken)
    done = bulk("--in", lists, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "the engine failed on" in done.output
    assert summary(tmp_path / "out")["rejected"] == 0


@pytest.mark.parametrize(
    ("missing", "arguments", "sentence"),
    [
        ("pyarrow", ["--in", "x.parquet"], "Parquet needs pyarrow: pip install 'bentorank[parquet]'"),
        ("pyarrow", ["--in", "in.jsonl", "--format", "parquet"], "Parquet needs pyarrow"),
        ("ray", ["--in", "in.jsonl", "--address", "local"], "--address needs Ray: pip install 'bentorank[bulk]'"),
    ],
    ids=str,
)
def test_what_is_not_installed_is_said(tmp_path, monkeypatch, missing, arguments, sentence):
    """With the command that installs it, and before anything is written; lines need none of it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    write_jsonl(tmp_path / "in.jsonl", make_rows(2))
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    done = bulk(*arguments, "--out", "out")
    assert done.exit_code == 2, done.output
    assert sentence in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()
    assert bulk("--in", "in.jsonl", "--out", "out").exit_code == 0


def test_the_readme_s_line_ranks_rows_as_it_shows_them(tmp_path, monkeypatch):
    """With the three fields that it names."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^bentorank bulk (.*)$", readme, flags=re.MULTILINE)
    assert '{"id": …, "query": …, "documents": [...]}' in readme
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "lists.jsonl", make_rows(2))
    assert bulk(*shlex.split(line)).exit_code == 0
    assert len(ranked(tmp_path / "ranked")) == 2


def test_the_page_has_the_columns_that_are_written():
    """By name, in order."""
    page = (REPOSITORY / "docs" / "bulk.md").read_text(encoding="utf-8")
    table = page.partition("## What comes out")[2].partition("Beside them")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == [*COLUMNS]
