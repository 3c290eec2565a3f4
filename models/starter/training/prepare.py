"""Cut the training documents into passages, gather queries of many shapes, and embed both with the encoder.

Writes to the work directory:
  passages.jsonl   one unit per line: short windows of one or a few sentences, and whole documents
  queries.jsonl    one query per line, with its kind and the positive units it is known to have
  windows.npy, queries.npy   the encoder's normalised embeddings of the short windows and the queries, in the same order
"""

import argparse
import random
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import orjson
from corpora import (
    Document,
    Question,
    normalise,
    read_noveleval,
    read_qed,
    read_scifact_claims,
    read_scifact_documents,
    read_scifact_test,
    read_squad,
)
from encoder import Encoder

SQUAD_PARAGRAPHS = 3500
TITLED = 0.2  # share of Wikipedia documents that carry their title in front, as many real indexes do
WINDOW_WORDS = (20, 35, 50, 65)  # each document is cut to windows of about one of these lengths
WORD = re.compile(r"[A-Za-z][\w'-]+")


@dataclass(frozen=True, slots=True)
class Unit:
    """A passage as the student reads it: a window of a document (`whole` false) or the document itself."""

    text: str
    document: str
    collection: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A query; `positives` are indices of units, and `sure` says whether a person judged them relevant."""

    text: str
    kind: str
    collection: str
    positives: tuple[int, ...]
    sure: bool
    held_out: bool = False


def cut_windows(document: Document, words: int) -> list[str]:
    windows: list[str] = []
    current: list[str] = []
    for sentence in document.sentences:
        if current and sum(len(part.split()) for part in current) + len(sentence.split()) > words * 1.3:
            windows.append(" ".join(current))
            current = []
        current.append(sentence)
        if sum(len(part.split()) for part in current) >= words:
            windows.append(" ".join(current))
            current = []
    return windows + ([" ".join(current)] if current else [])


def make_units(documents: dict[str, Document], collection: str, rng: random.Random) -> list[Unit]:
    units = []
    for document in documents.values():
        # An abstract is indexed with its title; of a Wikipedia paragraph the title is often lost.
        titled = collection == "scifact" or rng.random() < TITLED
        head = f"{document.title}{rng.choice([' ', '. ', ': ', chr(10)])}" if titled else ""
        for number, window in enumerate(cut_windows(document, rng.choice(WINDOW_WORDS))):
            keep_head = collection != "scifact" or number == 0
            units.append(Unit(head * keep_head + window, document.key, collection, whole=False))
        units.append(Unit(head + document.text, document.key, collection, whole=True))
    return units


def label(question: Question, by_document: dict[str, list[int]], units: list[Unit]) -> tuple[int, ...]:
    """The units that answer a question: the whole documents, and the windows that hold an answer."""
    positives = []
    for key in question.documents:
        for index in by_document.get(key, ()):
            text = units[index].text
            if units[index].whole or any(answer in text for answer in question.answers):
                positives.append(index)
    return tuple(positives)


def keyword_query(text: str, frequency: Counter[str], rng: random.Random) -> str:
    """Two to five rare words of a passage, as somebody types them into a search box."""
    words = list(dict.fromkeys(word.lower() for word in WORD.findall(text) if len(word) > 3))
    words.sort(key=lambda word: frequency[word])
    chosen = set(rng.sample(words[:10], min(len(words[:10]), rng.randint(2, 5))))
    ordered = [word for word in dict.fromkeys(WORD.findall(text.lower())) if word in chosen]
    if rng.random() < 0.3:
        rng.shuffle(ordered)
    return " ".join(ordered)


def pseudo_queries(
    units: list[Unit], documents: dict[str, Document], by_document: dict[str, list[int]], rng: random.Random
) -> list[Query]:
    """Queries nobody asked, which only the teacher judges: titles, titles and a few words, sentences, keywords."""
    frequency = Counter(word for unit in units if unit.whole for word in set(WORD.findall(unit.text.lower())))
    queries = []
    for key, document in documents.items():
        indices = by_document[key]
        collection = units[indices[0]].collection
        windows = [index for index in indices if not units[index].whole]
        window = rng.choice(windows)
        if collection == "scifact":
            queries.append(Query(document.title, "title", collection, tuple(indices), sure=False))
        elif rng.random() < 0.5:
            extra = keyword_query(units[window].text, frequency, rng).split()[: rng.randint(0, 2)]
            text = " ".join([document.title, *extra])
            queries.append(Query(text, "title", collection, (window, indices[-1]) if extra else (), sure=False))
        if rng.random() < 0.4:
            sentence = rng.choice(document.sentences)
            if 5 <= len(sentence.split()) <= 40:
                queries.append(Query(sentence, "sentence", collection, (), sure=False))
        if rng.random() < 0.6:
            text = keyword_query(units[window].text, frequency, rng)
            if text:
                queries.append(Query(text, "keywords", collection, (window, indices[-1]), sure=False))
    return queries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--squad-questions", type=int, default=8000)
    parser.add_argument("--held-out", type=int, default=150, help="labelled queries of each kind kept for validation")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    args.work_dir.mkdir(parents=True, exist_ok=True)

    squad, qed = read_squad(args.data, "train"), read_qed(args.data, "train")
    claims = read_scifact_claims(args.data, "train")
    test_sets = [read_squad(args.data, "dev"), read_qed(args.data, "dev")]
    forbidden = {normalise(document.text) for test in test_sets for document in test.documents.values()}
    forbidden |= {normalise(question.text) for test in test_sets for question in test.questions}
    forbidden |= {normalise(text) for text in read_scifact_test(args.data)[0].values()}
    novel_passages, novel_queries, _ = read_noveleval(args.data)
    forbidden |= {normalise(text) for text in (*novel_passages.values(), *novel_queries.values())}

    squad_keys = rng.sample(sorted(squad.documents), SQUAD_PARAGRAPHS)
    wikipedia = {key: squad.documents[key] for key in squad_keys} | qed.documents
    wikipedia = {key: document for key, document in wikipedia.items() if normalise(document.text) not in forbidden}
    abstracts = read_scifact_documents(args.data)
    units = make_units(wikipedia, "wikipedia", rng) + make_units(abstracts, "scifact", rng)
    by_document: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        by_document.setdefault(unit.document, []).append(index)

    asked = {
        "squad": rng.sample(squad.questions, len(squad.questions)),
        "qed": rng.sample(qed.questions, len(qed.questions)),
        "claim": rng.sample(claims, len(claims)),
    }
    queries: list[Query] = []
    for kind, questions in asked.items():
        usable = [question for question in questions if set(question.documents) & by_document.keys()]
        usable = [question for question in usable if normalise(question.text) not in forbidden]
        for number, question in enumerate(usable[: args.squad_questions]):
            collection = "scifact" if kind == "claim" else "wikipedia"
            positives = label(question, by_document, units)
            held_out = number < args.held_out
            queries.append(Query(question.text, kind, collection, positives, sure=True, held_out=held_out))
    pseudo = pseudo_queries(units, wikipedia | abstracts, by_document, rng)
    queries += [query for query in pseudo if normalise(query.text) not in forbidden]

    for name, rows in (("passages", units), ("queries", queries)):
        with (args.work_dir / f"{name}.jsonl").open("wb") as file:
            file.writelines(orjson.dumps(asdict(row)) + b"\n" for row in rows)
    print(Counter(query.kind for query in queries), Counter((unit.collection, unit.whole) for unit in units))

    encoder = Encoder()
    np.save(args.work_dir / "queries.npy", encoder.embed([query.text for query in queries], "queries"))
    windows = encoder.embed([unit.text for unit in units if not unit.whole], "windows")
    np.save(args.work_dir / "windows.npy", windows.astype(np.float16))


if __name__ == "__main__":
    main()
