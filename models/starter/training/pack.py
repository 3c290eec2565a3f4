"""Pack what a short run on a borrowed GPU needs: texts, queries, and small copies of the encoders and of the start.

Nothing is embedded here: the GPU does that faster than the embeddings could travel.
"""

import argparse
import json
import lzma
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from corpora import (
    Document,
    normalise,
    read_noveleval,
    read_qed,
    read_scifact_claims,
    read_scifact_documents,
    read_scifact_test,
    read_squad,
)
from e5 import SmallE5
from openstax import DEFINITION, Books, read_openstax
from prepare import SQUAD_PARAGRAPHS, TITLED, WINDOW_WORDS, keyword_query, make_units
from stores import store
from weights import pack_difference, pack_start

WORD = re.compile(r"\b\w\w+\b")
WIKIPEDIA, SCIFACT, OPENSTAX = range(3)


@dataclass(slots=True)
class Texts:
    """Documents, the sentences of all of them in a row, and units: ranges of those with or without a title in front."""

    documents: list[tuple[Document, int]]
    sentences: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    units: list[tuple[int, int, int, int, int]] = field(
        default_factory=list
    )  # document, whole, head or -1, first, last
    windows: list[list[tuple[int, int]]] = field(default_factory=list)

    def cut(self, rng: random.Random) -> None:
        """Every document whole, and in windows."""
        for index, (document, place) in enumerate(self.documents):
            base, head = len(self.sentences), -1
            self.sentences += document.sentences
            if place == SCIFACT or (rng.random() < TITLED and not document.key.startswith(DEFINITION)):
                head = len(self.heads)
                self.heads.append(document.title + rng.choice(("", ".", ":", "")))
            windows = windows_of([len(text.split()) for text in document.sentences], rng.choice(WINDOW_WORDS))
            self.windows.append(windows)
            for order, (a, b) in enumerate(windows):
                titled = place != SCIFACT or order == 0
                self.units.append((index, 0, head if titled else -1, base + a, base + b))
            self.units.append((index, 1, head, base, base + len(document.sentences)))


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a place; `held`: 1 is new to start and training, 2 to this training alone."""

    text: str
    kind: str
    place: int
    documents: tuple[int, ...]
    answers: tuple[str, ...]
    held: int

    def positives(self, texts: Texts, units_of: dict[int, list[int]]) -> list[int]:
        """Units that answer: whole documents, and windows that hold an answer."""
        found = []
        for document in self.documents:
            for index in units_of[document]:
                _, whole, _, first, last = texts.units[index]
                text = " ".join(texts.sentences[first:last]) if not whole and self.answers else ""
                if whole or not self.answers or any(answer in text for answer in self.answers):
                    found.append(index)
        return found


class Queries:
    """Gathers what is asked, less what is forbidden."""

    def __init__(self, texts: Texts, forbidden: set[str], rng: random.Random) -> None:
        self.texts, self.forbidden, self.rng = texts, forbidden, rng
        self.number = {document.key: index for index, (document, _) in enumerate(texts.documents)}
        self.rows: list[Query] = []

    def ask(  # noqa: PLR0913 - what a query is
        self,
        text: str,
        kind: str,
        place: int,
        *,
        keys: tuple[str, ...] = (),
        answers: tuple[str, ...] = (),
        held: int = 0,
    ) -> None:
        text = " ".join(text.split())
        if text and normalise(text) not in self.forbidden:
            documents = tuple(self.number[key] for key in keys if key in self.number)
            self.rows.append(Query(text, kind, place, documents, answers, held))

    def ask_labelled(self, data: Path, read: set[str], args: argparse.Namespace) -> None:
        """Questions that people answered; those that the start did not read come first, and are held out."""
        for kind, questions, limit in (
            ("squad", read_squad(data, "train").questions, args.squad_questions),
            ("qed", read_qed(data, "train").questions, 10**9),
            ("claim", read_scifact_claims(data, "train"), 10**9),
        ):
            usable = [
                question
                for question in self.rng.sample(questions, len(questions))
                if any(key in self.number for key in question.documents)
            ]
            usable.sort(key=lambda question: question.text in read)
            new = min(args.held_out, sum(question.text not in read for question in usable))
            seen = args.held_out_seen if new < args.held_out and kind == "qed" else 0
            place = SCIFACT if kind == "claim" else WIKIPEDIA
            for order, question in enumerate(usable[:limit]):
                held = 1 if order < new else 2 if order < new + seen else 0
                self.ask(question.text, kind, place, keys=question.documents, answers=question.answers, held=held)

    def ask_books(self, books: Books, held_out: int) -> None:
        for order, (text, key) in enumerate(self.rng.sample(books.definitions, len(books.definitions))):
            if key in self.number:
                self.ask(text, "definition", OPENSTAX, keys=(key,), held=int(order < held_out))
        for text in books.exercises:
            self.ask(text, "exercise", OPENSTAX)

    def ask_typed(self, data: Path) -> None:
        """What people typed into a search box; nobody knows which of these documents answers."""
        folder = data / "web-queries"
        typed = [line.split("\t")[-1] for line in (folder / "wellformedness.tsv").open(encoding="utf-8")]
        typed += list((folder / "webquestions.txt").open(encoding="utf-8"))
        for text in typed:
            self.ask(text, "typed", OPENSTAX if self.rng.random() < 0.4 else WIKIPEDIA)

    def ask_made(self) -> None:
        """Titles, sentences and rare words, which nobody asked."""
        rng, documents = self.rng, self.texts.documents
        frequency = Counter(
            word for document, _ in documents for word in set(re.findall(r"[A-Za-z][\w'-]+", document.text.lower()))
        )
        for index, (document, place) in enumerate(documents):
            if document.key.startswith(DEFINITION):
                continue
            a, b = rng.choice(self.texts.windows[index])
            window = " ".join(document.sentences[a:b])
            if place == SCIFACT:
                self.ask(document.title, "title", place, keys=(document.key,))
            elif rng.random() < 0.4:
                extra = keyword_query(window, frequency, rng).split()[: rng.randint(0, 2)]
                self.ask(" ".join([document.title, *extra]), "title", place)
            if rng.random() < 0.3:
                sentence = rng.choice(document.sentences)
                if 5 <= len(sentence.split()) <= 40:
                    self.ask(sentence, "sentence", place)
            if rng.random() < 0.45:
                self.ask(keyword_query(window, frequency, rng), "keywords", place)


def windows_of(lengths: list[int], words: int) -> list[tuple[int, int]]:
    """Ranges of sentences of about so many words."""
    first, windows = 0, []
    for last in range(len(lengths)):
        if last > first and sum(lengths[first : last + 1]) > words * 1.3:
            windows.append((first, last))
            first = last
        if sum(lengths[first : last + 1]) >= words:
            windows.append((first, last + 1))
            first = last + 1
    return [*windows, (first, len(lengths))] if first < len(lengths) else windows


def kept_out(data: Path) -> set[str]:
    """The measuring collections' questions and paragraphs, wherever they appear."""
    tests = [read_squad(data, "dev"), read_qed(data, "dev")]
    forbidden = {normalise(document.text) for test in tests for document in test.documents.values()}
    forbidden |= {normalise(question.text) for test in tests for question in test.questions}
    forbidden |= {normalise(text) for text in read_scifact_test(data)[0].values()}
    passages, queries, _ = read_noveleval(data)
    return forbidden | {normalise(text) for text in (*passages.values(), *queries.values())}


def read_by_the_start(data: Path, forbidden: set[str]) -> set[str]:
    """Questions that the start was trained on: prepare.py's draw, made again from its seed.

    What is held out must be new to both, or a comparison would favour the start.
    """
    rng = random.Random(7)
    squad, qed, claims = read_squad(data, "train"), read_qed(data, "train"), read_scifact_claims(data, "train")
    keys = rng.sample(sorted(squad.documents), SQUAD_PARAGRAPHS)
    wikipedia = {key: squad.documents[key] for key in keys} | qed.documents
    wikipedia = {key: document for key, document in wikipedia.items() if normalise(document.text) not in forbidden}
    abstracts = read_scifact_documents(data)
    documents = wikipedia.keys() | abstracts.keys()
    make_units(wikipedia, "wikipedia", rng)
    make_units(abstracts, "scifact", rng)
    read = set()
    for asked in (squad.questions, qed.questions, claims):
        usable = [question for question in rng.sample(asked, len(asked)) if set(question.documents) & documents]
        usable = [question for question in usable if normalise(question.text) not in forbidden]
        read |= {question.text for question in usable[150:8000]}
    return read


def gather(args: argparse.Namespace) -> tuple[Texts, list[Query]]:
    """All texts, and all that is asked of them."""
    data, rng = args.data, random.Random(args.seed)
    squad, forbidden = read_squad(data, "train").documents, kept_out(data)
    read = read_by_the_start(data, forbidden)
    books = read_openstax(data, args.openstax_paragraphs, rng)
    wiki = {key: squad[key] for key in sorted(rng.sample(sorted(squad), args.squad_paragraphs))}
    groups = (wiki | read_qed(data, "train").documents, read_scifact_documents(data), books.documents)
    texts = Texts(
        [
            (document, place)
            for place, group in enumerate(groups)
            for document in group.values()
            if document.sentences and normalise(document.text) not in forbidden
        ]
    )
    texts.cut(rng)
    queries = Queries(texts, forbidden, rng)
    queries.ask_labelled(data, read, args)
    queries.ask_books(books, args.held_out // 2)
    queries.ask_typed(data)
    queries.ask_made()
    return texts, queries.rows


def stems_of(texts: list[str]) -> list[str]:
    """How every word that stems changes: so many letters off its end, and what follows."""
    words = sorted({word for text in texts for word in WORD.findall(text.lower())} - set(STOPWORDS_EN))
    lines = []
    for word, stem in zip(words, Stemmer.Stemmer("english").stemWords(words), strict=True):
        if word != stem:
            differ = (place for place, (a, b) in enumerate(zip(word, stem, strict=False)) if a != b)
            shared = next(differ, min(len(word), len(stem)))
            lines.append(f"{word} {len(word) - shared}{stem[shared:]}")
    return lines


def refer(texts: list[str], gathered: Texts) -> list[str | tuple[str, int]]:
    """Texts that are a title and a unit of the pack, as that."""
    known = {
        " ".join(" ".join(gathered.sentences[first:last]).split()): index
        for index, (_, whole, _, first, last) in enumerate(gathered.units)
        if whole
    }
    out: list[str | tuple[str, int]] = []
    for text in texts:
        words = text.split()
        splits = ((" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(min(40, len(words))))
        found = next(((title, known[body]) for title, body in splits if body in known), None)
        out.append(found or " ".join(words))
    return out


def pack_texts(texts: Texts, queries: list[Query]) -> tuple[dict[str, bytes], list[str]]:
    """Files by name, and the queries in the order that compresses best: texts read together stand together."""
    units_of: dict[int, list[int]] = {}
    for index, unit in enumerate(texts.units):
        units_of.setdefault(unit[0], []).append(index)
    rows = [(query, query.positives(texts, units_of)) for query in queries]
    rows.sort(key=lambda row: (row[0].kind, row[1][:1] or [10**9], row[0].text.lower()))
    small = {
        "kinds": [query.kind for query, _ in rows],
        "places": "".join(str(query.place) for query, _ in rows),
        "positives": [positives for _, positives in rows],
        "held": "".join(str(query.held) for query, _ in rows),
        "units": np.array(texts.units, np.int64).T.tolist(),
        "stop": sorted(STOPWORDS_EN),
        "document_place": "".join(str(place) for _, place in texts.documents),
        "documents": [document.key.split("/")[0] for document, _ in texts.documents],
    }
    asked = [query.text for query, _ in rows]
    lines = {
        "sentences.txt": [" ".join(sentence.split()) for sentence in texts.sentences],
        "heads.txt": [" ".join(head.split()) for head in texts.heads],
        "queries.txt": asked,
        "stems.txt": stems_of([*texts.sentences, *texts.heads, *asked]),
    }
    files = {name: "\n".join(own).encode() for name, own in lines.items()}
    return files | {"small.json": json.dumps(small, separators=(",", ":")).encode()}, asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True, help="model.safetensors of the checkpoint to begin with")
    parser.add_argument("--tests", type=Path, required=True, help="what pack_tests.py wrote, whose words travel too")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--squad-paragraphs", type=int, default=9000)
    parser.add_argument("--openstax-paragraphs", type=int, default=20000)
    parser.add_argument("--squad-questions", type=int, default=26000)
    parser.add_argument("--held-out", type=int, default=600, help="questions of a kind that no training read")
    parser.add_argument("--held-out-seen", type=int, default=300, help="of QED that the start read")
    parser.add_argument("--seed", type=int, default=17)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    texts, queries = gather(args)
    print(Counter((query.kind, query.held) for query in queries))
    files, asked = pack_texts(texts, queries)
    tests = json.loads(lzma.decompress(args.tests.read_bytes()))
    words = [*tests["texts"], *(row[0] for rows in tests["collections"].values() for row in rows)]
    tests["texts"] = refer(tests["texts"], texts)
    files["tests.json"] = json.dumps(tests, ensure_ascii=False, separators=(",", ":")).encode()
    # What none of a sixth of the sentences and a third of the queries has is rare, and falls into smaller pieces.
    e5 = SmallE5([*texts.sentences[::6], *(query.text for query in queries[::3])])
    files["e5-vocabulary.json"] = e5.vocabulary()
    start, rebuilt = pack_start(args.start, [*texts.sentences, *texts.heads, *asked, *words])
    weights = {"e5.bin": e5.pack(), "start.bin": start, "minilm.bin": pack_difference(rebuilt)}
    with ThreadPoolExecutor(2) as pool:
        for name, data in (files | weights).items():
            pool.submit(store, args.output / name, data, packed=name in files)
    for path in sorted(args.output.iterdir()):
        print(f"{path.name:24} {path.stat().st_size / 2**20:6.2f} MiB")


if __name__ == "__main__":
    main()
