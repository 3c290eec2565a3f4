"""`bentorank eval` from files to report, with the fake engine and through a server."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from bentorank.cli.app import app
from bentorank.engines.fake import FakeEngine
from bentorank.evaluation.beir import beir_files
from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.task_files import FirstStage, TaskFiles, read_task
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

    from bentorank.evaluation.collection import Task

# To BM25 stopwords are nothing and repeating "owls" is much; the fake engine wants all of the query's words.
CORPUS = {
    "chorus": "owls owls owls",
    "answer": "the owls are at the edge of a wood, hunting small rodents by ear",
    "whale": "whales hunt krill",
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in CORPUS.items())
    )
    (tmp_path / "queries.tsv").write_text("q1\tWhere are the owls at?\nq2\twhales\nunjudged\tkrill\n")
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tanswer\t1\nq2\twhale\t1\n")
    return [
        *("--corpus", str(tmp_path / "corpus.jsonl")),
        *("--queries", str(tmp_path / "queries.tsv")),
        *("--qrels", str(tmp_path / "qrels.tsv")),
        *("--candidates", "bm25"),
    ]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments])


class FakeRerank(BaseHTTPRequestHandler):
    """`POST /rerank` answered by the fake engine; a query that contains `refuse` is answered with 429."""

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "refuse" in body["query"]:
            self.answer(429, {"error": "busy"})
            return
        engine = FakeEngine()
        logits = engine.forward(engine.encode([Pair(body["query"], text) for text in body["documents"]]))
        best_first = sorted(enumerate(logits.tolist()), key=lambda result: -result[1])
        results = [{"index": index, "relevance_score": logit} for index, logit in best_first]
        self.answer(200, {"results": results, "usage": {"truncated_documents": 1}})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeRerank) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_json_reports_before_and_after(files: list[str], tmp_path: Path) -> None:
    """The answer rises from rank 2 to rank 1, and the run says so."""
    result = run(*files, "--engine", "fake", "--json", "--run-out", str(tmp_path / "out.run"))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    before, after = report["rows"]
    assert (report["queries"], report["pairs"], report["missing_passages"]) == (2, 3, 0)
    assert (before["name"], before["means"]["MRR@10"]) == ("BM25", 0.75)
    assert (after["name"], after["means"]["MRR@10"]) == ("fake (fake f32)", 1.0)
    assert after["differences"]["MRR@10"]["wins"] == 1
    assert (tmp_path / "out.run").read_text().startswith("q1 Q0 answer 1 2 bentorank\nq1 Q0 chorus 2 1 ")


def test_the_table_shows_the_difference(files: list[str]) -> None:
    """Without --json there is a table on standard output."""
    result = run(*files, "--engine", "fake")
    assert result.exit_code == 0, result.output
    assert "BM25 → fake (fake f32)" in result.stdout
    assert "+0.250" in result.stdout


def test_a_run_replaces_bm25(files: list[str], tmp_path: Path) -> None:
    """Only the run's candidates are reranked, and what the corpus lacks is reported."""
    candidates = tmp_path / "first.run"
    candidates.write_text("q1 Q0 whale 1 3 x\nq1 Q0 answer 2 2 x\nq1 Q0 gone 3 1 x\n")
    result = run(*files, "--engine", "fake", "--json", "--candidates", str(candidates))
    report = json.loads(result.stdout)
    assert (report["pairs"], report["missing_passages"]) == (2, 1)
    assert report["rows"][0]["name"] == "first.run"
    assert report["rows"][1]["means"]["MRR@10"] == 0.5  # q2 has no candidates and counts as 0


def test_names_in_the_table_keep_their_brackets(files: list[str], tmp_path: Path) -> None:
    """What reads like markup is a file's name."""
    candidates = tmp_path / "[bold]first[torch].run"
    candidates.write_text("q1 Q0 answer 1 2 x\n")
    result = run(*files, "--engine", "fake", "--candidates", str(candidates))
    assert result.exit_code == 0, result.output
    assert "[bold]first[torch].run → fake" in result.stdout


def test_a_running_server_scores_alike(files: list[str], server_url: str) -> None:
    """Through --url the same order comes back, with the server's count of truncated documents."""
    row = json.loads(run(*files, "--url", server_url, "--json").stdout)["rows"][1]
    assert (row["name"], row["means"]["MRR@10"], row["truncated"]) == (f"{server_url}/rerank", 1.0, 2)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--url", "http://127.0.0.1:9", "--precision", "f32"], "--url scores as the server does"),
        (["--url", "http://127.0.0.1:9"], "http://127.0.0.1:9/rerank: "),
        (["--engine", "fake", "--candidates", "nowhere"], "nowhere: No such file"),
        (["--engine", "fake", "--run-out", "/nowhere/out.run"], "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(files: list[str], arguments: list[str], problem: str) -> None:
    """Exit code 2 and a sentence, no traceback."""
    result = run(*files, *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("judgements", ["q1\tANSWER\t1\nq2\tw-1\t1\n", "q1\tgone\t2\nq1\tanswer\t0\n"])
def test_judgements_of_another_corpus_are_refused(files: list[str], tmp_path: Path, judgements: str) -> None:
    """Every measure would be 0, and say nothing of the model."""
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + judgements)
    result = run(*files, "--engine", "fake")
    assert result.exit_code == 2
    assert "relevant documents of --qrels is in --corpus: are the document ids the same?" in result.stderr


def test_what_is_missing_in_part_is_counted(files: list[str], tmp_path: Path) -> None:
    """Documents that the corpus lacks, queries that the file lacks, queries without candidates."""
    (tmp_path / "qrels.tsv").write_text("q1\tanswer\t1\nq1\tgone\t1\nq2\twhale\t1\nq3\twhale\t1\n")
    candidates = tmp_path / "first.run"
    candidates.write_text("q1 Q0 answer 2 2 x\n")
    result = run(*files, "--engine", "fake", "--candidates", str(candidates))
    assert result.exit_code == 0, result.output
    assert "warning: 1 of 3 relevant documents are not in the corpus" in result.stderr
    assert "warning: 1 of 3 judged queries are not in the queries" in result.stderr
    assert "warning: 1 of 2 queries have no candidates" in result.stderr


def test_a_refusing_server_is_quoted(files: list[str], server_url: str, tmp_path: Path) -> None:
    """Its status and message reach the terminal."""
    (tmp_path / "queries.tsv").write_text("q1\trefuse owls\n")
    result = run(*files, "--url", server_url)
    assert result.exit_code == 2
    assert 'status 429: {"error": "busy"}' in result.stderr


@pytest.fixture
def beir(files: list[str], tmp_path: Path) -> Path:
    """A folder as BEIR's archives hold it; the queries of other splits are among its queries."""
    folder = tmp_path / "scifact"
    (folder / "qrels").mkdir(parents=True)
    (tmp_path / "corpus.jsonl").rename(folder / "corpus.jsonl")
    queries = [("q1", "Where are the owls at?"), ("q2", "whales"), ("q3", "krill")]
    lines = "".join(json.dumps({"_id": key, "text": text, "metadata": {}}) + "\n" for key, text in queries)
    (folder / "queries.jsonl").write_text(lines)
    (tmp_path / "qrels.tsv").rename(folder / "qrels" / "test.tsv")
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq3\twhale\t1\n")
    return folder


def test_a_folder_in_beirs_form_is_enough(beir: Path) -> None:
    """All of a small corpus are candidates, those first that BM25 finds."""
    report = json.loads(run(str(beir), "--engine", "fake", "--json").stdout)
    before, after = report["rows"]
    assert (report["queries"], report["pairs"], before["name"]) == (2, 6, "BM25, then the rest")
    assert (before["means"]["MRR@10"], after["means"]["MRR@10"]) == (0.75, 1.0)


def read(beir: Path, candidates: Path | FirstStage = FirstStage.AUTO, *, top_k: int = 100, split: str = "test") -> Task:
    return read_task(TaskFiles(*beir_files(beir, split), candidates), top_k=top_k, limit_queries=None)


def test_bm25_chooses_from_a_corpus_that_is_larger(beir: Path) -> None:
    """Than --top-k, or where it is asked to; `all` is a choice as well, and a run another."""
    assert read(beir, top_k=2).first_stage_name == "BM25"
    assert read(beir, FirstStage.BM25).pairs == 3
    assert read(beir, FirstStage.ALL, top_k=1).first_stage["q2"] == ["whale", "chorus", "answer"]
    (beir / "first.run").write_text("q1 Q0 whale 1 3 x\nq1 Q0 answer 2 2 x\nq2 Q0 gone 3 1 x\n")
    task = read(beir, beir / "first.run", top_k=2)
    assert task.first_stage == {"q1": ["whale", "answer"], "q2": []}
    assert (task.missing, task.first_stage_name) == (1, "first.run")
    assert read(beir, beir / "first.run", top_k=1).first_stage == {"q1": ["whale"], "q2": []}


def test_all_is_for_small_corpora(beir: Path) -> None:
    """The model would read each document for each query."""
    with (beir / "corpus.jsonl").open("a") as corpus:
        corpus.writelines(f'{{"_id": "{number}", "text": "krill"}}\n' for number in range(1000))
    assert read(beir).first_stage_name == "BM25"
    with pytest.raises(EvaluationError, match="up to 1,000 documents, and this one has 1,003"):
        read(beir, FirstStage.ALL)


def test_a_folder_may_be_gzipped_and_have_splits(beir: Path) -> None:
    """Each file by itself."""
    for file in (beir / "corpus.jsonl", beir / "qrels" / "train.tsv"):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert read(beir, split="train").first_stage == {"q3": ["whale", "chorus", "answer"]}


def test_a_wrong_line_of_a_folder_is_named(beir: Path) -> None:
    """By file and number."""
    with (beir / "corpus.jsonl").open("a") as corpus:
        corpus.write('{"_id": "x", "txt": "owls"}\n')
    result = run(str(beir), "--engine", "fake")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f'bentorank: {beir / "corpus.jsonl"}:4: expected "_id" and "text"')


def test_more_than_the_memory_for_a_corpus_is_refused(beir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is held; with a run of candidates only their texts are, and a corpus may be of any size."""
    monkeypatch.setattr("bentorank.evaluation.task_files.CORPUS_SHARE_OF_MEMORY", 1e-15)
    result = run(str(beir), "--engine", "fake")
    assert result.exit_code == 2
    assert "corpus.jsonl:1: more than 0 bytes, a share of the memory that BM25 may take" in result.stderr
    (beir / "first.run").write_text("q1 Q0 answer 2 2 x\nq2 Q0 whale 1 3 x\n")
    assert read(beir, beir / "first.run").pairs == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["{beir}", "--split", "dev"], "no qrels/dev.tsv; --split takes test or train"),
        (["{beir}/qrels"], "not in BEIR's form, which is corpus.jsonl, queries.jsonl and qrels/test.tsv"),
        (["{beir}/gone"], "gone: No such file or directory"),
        (["{beir}/corpus.jsonl"], "corpus.jsonl: is not a folder"),
        (["{beir}", "--corpus", "x"], "leave out --corpus, --queries and --qrels"),
        (["--corpus", "x"], "name a folder in BEIR's form, or all three of --corpus, --queries and --qrels"),
        (["{beir}", "--candidates", "al"], "al: No such file or directory"),
    ],
)
def test_what_is_no_collection_is_said(beir: Path, arguments: list[str], problem: str) -> None:
    """With what would be one."""
    result = run(*(argument.replace("{beir}", str(beir)) for argument in arguments), "--engine", "fake")
    assert result.exit_code == 2
    assert problem in result.stderr
    assert result.stderr.count("\n") == 1


EVALUATION_KEY = "key-of-evaluation"


@pytest.fixture(scope="module")
def pruning(fleet: Any) -> Any:
    """A real server with two models, of which the second prunes for the first, and a key."""
    settings = {"models": "large=a,small=b", "first_stage": "small", "keep": 1, "api_keys": EVALUATION_KEY}
    return fleet("evaluated", engine="fake", **settings)


@pytest.fixture
def pruning_url(pruning: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its address; its key is in the environment."""
    monkeypatch.setenv("BENTORANK_API_KEY", EVALUATION_KEY)
    url: str = pruning.url
    return url


@pytest.mark.parametrize("model", [None, "small"])
def test_a_model_of_a_server_that_prunes_is_measured_whole(
    files: list[str], pruning_url: str, model: str | None
) -> None:
    """A pruned document has no score to be ranked by."""
    named = [] if model is None else ["--model", model]
    result = run(*files, "--url", pruning_url, *named, "--json")
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)["rows"][1]
    assert row["means"]["MRR@10"] == 1.0
    assert row["name"] == (f"{pruning_url}/rerank" if model is None else f"{model} ({pruning_url}/rerank)")


def test_a_model_that_a_server_has_not_is_not_measured(files: list[str], pruning_url: str) -> None:
    """Its default would answer, and be reported under another's name."""
    result = run(*files, "--url", pruning_url, "--model", "smal")
    assert result.exit_code == 2
    assert "--model smal: model: no such name is served here" in result.stderr


def test_a_served_model_is_named_like_the_shipped_one_all_the_same(files: list[str], pruning_url: str) -> None:
    """`starter` is a name among others to a server."""
    result = run(*files, "--url", pruning_url, "--model", "starter")
    assert result.exit_code == 2
    assert "--model starter: model: no such name is served here" in result.stderr


@pytest.mark.parametrize("key", ["schl\u00fcssel-42", "key\nof-two-lines"])
def test_a_key_that_no_header_takes_is_not_shown(
    files: list[str], pruning_url: str, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Nor does it end in a traceback."""
    monkeypatch.setenv("BENTORANK_API_KEY", key)
    result = run(*files, "--url", pruning_url)
    assert result.exit_code == 2
    assert result.stderr.strip().endswith("BENTORANK_API_KEY: a key is printable ASCII")


def test_a_server_that_wants_a_key_says_so(files: list[str], pruning_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own sentence, not in a piece of JSON."""
    monkeypatch.delenv("BENTORANK_API_KEY")
    result = run(*files, "--url", pruning_url)
    assert result.exit_code == 2
    assert "status 401: " in result.stderr
    assert "{" not in result.stderr
