"""Turns the raw collections of a data directory into BEIR folders that `bentorank eval` reads.

python -m benchmarks.quality.prepare_collections DATA OUT
"""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import random
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bentorank.evaluation.formats import read_qrels, read_texts, run_lines, write_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.evaluation.formats import Qrels, Rankings, Texts

SQUAD_QUESTIONS = 1_000
SEED = 13
CSV_FIELD_BYTES = 1 << 24
# The SciFact export prints a list of sentences as numpy does: quoted strings with no commas between them.
PYTHON_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Collection:
    """A test collection. `passages` are (title, text) by id; `candidates` is None where BM25 shall rank."""

    name: str
    passages: dict[str, tuple[str, str]]
    queries: Texts
    qrels: Qrels
    candidates: Rankings | None = None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of an encyclopaedia's article, with the questions that it answers."""

    title: str
    text: str
    questions: tuple[str, ...]


def read_scifact(data: Path) -> Collection:
    """SciFact's abstracts and the BEIR test claims, which are its validation claims."""
    archive = data / "scifact" / "scifact_hf_csv.zip"
    passages = {
        row["doc_id"]: (row["title"].strip(), " ".join(numpy_strings(row["abstract"])))
        for row in _zipped_rows(archive, "corpus_train.csv")
    }
    claims = {row["id"]: row["claim"] for row in _zipped_rows(archive, "claims_validation.csv")}
    qrels = read_qrels(data / "scifact" / "qrels.beir-v1.0.0-scifact.test.txt")
    return Collection("scifact", passages, {query: claims[query] for query in qrels}, qrels)


def read_noveleval(data: Path) -> Collection:
    """NovelEval: each query has twenty candidates of a web search, kept in the order that they come in."""
    folder = data / "noveleval"
    qrels = read_qrels(folder / "qrels.txt")
    passages = {key: ("", text) for key, text in read_texts(folder / "corpus.tsv").items()}
    candidates = {query: list(judged) for query, judged in qrels.items()}
    return Collection("noveleval", passages, read_texts(folder / "queries.tsv"), qrels, candidates)


def read_squad(data: Path) -> Collection:
    """SQuAD 1.1 dev: every paragraph, and a fixed sample of the questions."""
    passages: dict[str, tuple[str, str]] = {}
    questions: list[tuple[str, str]] = []
    for article in squad_articles(data):
        for paragraph in article:
            key = f"p{len(passages)}"
            passages[key] = (paragraph.title, paragraph.text)
            questions += [(question, key) for question in paragraph.questions]
    return _collection("squad", passages, random.Random(SEED).sample(questions, SQUAD_QUESTIONS))


def squad_articles(data: Path) -> list[list[Paragraph]]:
    """The articles of SQuAD 1.1 dev, each a list of its paragraphs."""
    articles = _gzipped_json(data / "squad" / "dev-v1.1.json.gz")["data"]
    return [[_paragraph(article["title"], paragraph) for paragraph in article["paragraphs"]] for article in articles]


def _paragraph(title: str, paragraph: dict[str, Any]) -> Paragraph:
    questions = tuple(entry["question"].strip() for entry in paragraph["qas"])
    return Paragraph(title.replace("_", " "), paragraph["context"].strip(), questions)


def read_qed(data: Path) -> Collection:
    """QED: real search queries of dev over the distinct paragraphs of train and dev."""
    passages: dict[str, tuple[str, str]] = {}
    questions: list[tuple[str, str]] = []
    key_of_text: dict[str, str] = {}
    for split in ("train", "dev"):
        with gzip.open(data / "qed" / f"{split}.jsonl.gz", "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                text = row["paragraph_text"].strip()
                key = key_of_text.setdefault(text, f"p{len(key_of_text)}")
                passages.setdefault(key, (row["title_text"].strip(), text))
                if split == "dev":
                    questions.append((row["question_text"].strip(), key))
    return _collection("qed", passages, questions)


READERS = (read_scifact, read_noveleval, read_squad, read_qed)


def write_beir(collection: Collection, folder: Path) -> None:
    """`corpus.jsonl`, `queries.jsonl`, `qrels.tsv`, and `candidates.run` where candidates are given."""
    folder.mkdir(parents=True, exist_ok=True)
    passages = ({"_id": key, "title": title, "text": text} for key, (title, text) in collection.passages.items())
    queries = ({"_id": key, "text": text} for key, text in collection.queries.items())
    write_lines(folder / "corpus.jsonl", (json.dumps(row, ensure_ascii=False) for row in passages))
    write_lines(folder / "queries.jsonl", (json.dumps(row, ensure_ascii=False) for row in queries))
    write_lines(folder / "qrels.tsv", _qrels_lines(collection.qrels))
    if collection.candidates is not None:
        write_lines(folder / "candidates.run", run_lines(collection.candidates, collection.name))


def numpy_strings(printed: str) -> list[str]:
    """The strings of a printed numpy array."""
    return [ast.literal_eval(literal).strip() for literal in PYTHON_STRING.findall(printed)]


def _collection(name: str, passages: dict[str, tuple[str, str]], questions: list[tuple[str, str]]) -> Collection:
    """A collection whose questions have one relevant passage each."""
    queries = {f"q{number}": text for number, (text, _) in enumerate(questions)}
    qrels = {f"q{number}": {key: 1} for number, (_, key) in enumerate(questions)}
    return Collection(name, passages, queries, qrels)


def _qrels_lines(qrels: Qrels) -> Iterator[str]:
    yield "query-id\tcorpus-id\tscore"
    for query, judged in qrels.items():
        for document, grade in judged.items():
            yield f"{query}\t{document}\t{grade}"


def _zipped_rows(archive: Path, name: str) -> Iterator[dict[str, str]]:
    csv.field_size_limit(CSV_FIELD_BYTES)
    with zipfile.ZipFile(archive) as opened, opened.open(name) as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def _gzipped_json(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return cast("dict[str, Any]", json.load(file))


def main(
    data: Annotated[Path, typer.Argument(help="Directory with scifact/, squad/, qed/ and noveleval/.")],
    out: Annotated[Path, typer.Argument(help="Directory for one BEIR folder a collection.")],
) -> None:
    """Write every collection as a BEIR folder."""
    for read in READERS:
        collection = read(data)
        write_beir(collection, out / collection.name)
        print(f"{collection.name}: {len(collection.passages):,} passages, {len(collection.queries):,} queries")


if __name__ == "__main__":
    typer.run(main)
