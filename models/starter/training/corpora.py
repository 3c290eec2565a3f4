"""The raw collections, read from the data directory into plain documents and labelled queries."""

import ast
import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9])")
# The SciFact export prints lists of sentences the way numpy does: quoted strings with no commas between them.
PYTHON_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """One paragraph or abstract, already cut into sentences."""

    key: str
    title: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class Question:
    """A query that a person wrote, with the documents that answer it."""

    text: str
    documents: tuple[str, ...]
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents by key, and the labelled questions over them."""

    documents: dict[str, Document]
    questions: list[Question]


def normalise(text: str) -> str:
    """A form in which the same text printed twice compares equal."""
    return re.sub(r"\W+", " ", text.lower()).strip()


def split_sentences(text: str) -> tuple[str, ...]:
    return tuple(part for part in SENTENCE_END.split(text.strip()) if part)


def read_squad(data: Path, split: str) -> Collection:
    with gzip.open(data / "squad" / f"{split}-v1.1.json.gz", "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    documents: dict[str, Document] = {}
    questions: list[Question] = []
    for article in articles:
        title = article["title"].replace("_", " ")
        for number, paragraph in enumerate(article["paragraphs"]):
            key = f"squad-{split}/{article['title']}/{number}"
            documents[key] = Document(key, title, split_sentences(paragraph["context"]))
            questions += [
                Question(entry["question"].strip(), (key,), tuple(entry["answers"])) for entry in paragraph["qas"]
            ]
    return Collection(documents, questions)


def read_qed(data: Path, split: str) -> Collection:
    documents: dict[str, Document] = {}
    questions: list[Question] = []
    by_text: dict[str, str] = {}
    with gzip.open(data / "qed" / f"{split}.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            row = json.loads(line)
            paragraph = row["paragraph_text"].strip()
            # Several questions share one paragraph: it is one document.
            key = by_text.setdefault(normalise(paragraph), f"qed-{split}/{number}")
            documents.setdefault(key, Document(key, row["title_text"], split_sentences(paragraph)))
            questions.append(Question(row["question_text"].strip(), (key,), tuple(row["answer_text"])))
    return Collection(documents, questions)


def _scifact_rows(data: Path, name: str) -> Iterator[dict[str, str]]:
    csv.field_size_limit(1 << 24)
    with zipfile.ZipFile(data / "scifact" / "scifact_hf_csv.zip") as archive, archive.open(name) as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def read_scifact_documents(data: Path) -> dict[str, Document]:
    documents = {}
    for row in _scifact_rows(data, "corpus_train.csv"):
        sentences = tuple(ast.literal_eval(literal).strip() for literal in PYTHON_STRING.findall(row["abstract"]))
        documents[row["doc_id"]] = Document(row["doc_id"], row["title"].strip(), sentences)
    return documents


def read_scifact_claims(data: Path, split: str) -> list[Question]:
    """Claims with the abstracts they cite; the split is "train" or "validation" (the BEIR test queries)."""
    texts: dict[str, str] = {}
    cited: dict[str, dict[str, None]] = {}
    for row in _scifact_rows(data, f"claims_{split}.csv"):
        texts[row["id"]] = row["claim"]
        cited.setdefault(row["id"], {}).update(dict.fromkeys(re.findall(r"\d+", row["cited_doc_ids"])))
    return [Question(text, tuple(cited[key])) for key, text in texts.items() if cited[key]]


def read_scifact_test(data: Path) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """The 300 BEIR test queries and their judgements."""
    texts = {row["id"]: row["claim"] for row in _scifact_rows(data, "claims_validation.csv")}
    judgements = read_judgements(data / "scifact" / "qrels.beir-v1.0.0-scifact.test.txt")
    return {key: texts[key] for key in judgements}, judgements


def read_noveleval(data: Path) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Passages, queries and graded judgements."""
    passages, queries = (
        dict(line.rstrip("\n").split("\t", 1) for line in (data / "noveleval" / name).open(encoding="utf-8"))
        for name in ("corpus.tsv", "queries.tsv")
    )
    return passages, queries, read_judgements(data / "noveleval" / "qrels.txt")


def read_judgements(path: Path) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    for line in path.open(encoding="utf-8"):
        query, _, document, grade = line.split()
        judgements.setdefault(query, {})[document] = int(grade)
    return judgements
