"""Paragraphs, definitions and exercises of OpenStax' textbooks."""

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

from corpora import Document, split_sentences

DEFINITION = "openstax-def"
ASKED = ("what is {}", "{} definition", "what does {} mean", "define {}", "{}")


@dataclass(frozen=True, slots=True)
class Books:
    """Documents by key; definitions as they are asked for, with their keys; exercises, whose answers nobody marked."""

    documents: dict[str, Document]
    definitions: list[tuple[str, str]]
    exercises: list[str]


def read_openstax(data: Path, paragraphs: int, rng: random.Random) -> Books:
    """All definitions and exercises, and so many of the paragraphs."""
    with gzip.open(data / "openstax" / "books.jsonl.gz", "rt", encoding="utf-8") as file:
        modules = [json.loads(line) for line in file]
    plain: dict[str, Document] = {}
    books = Books({}, [], [])
    for module in modules:
        key = f"{module['book']}/{module['module']}"
        plain |= read_paragraphs(module, f"openstax/{key}")
        read_definitions(module, f"{DEFINITION}/{key}", books, rng)
        for entry in module.get("exercises") or []:
            text = entry if isinstance(entry, str) else entry.get("text") or entry.get("problem") or ""
            if 4 <= len(text.split()) <= 40:
                books.exercises.append(text)
    kept = rng.sample(sorted(plain), min(paragraphs, len(plain)))
    return Books({key: plain[key] for key in sorted(kept)} | books.documents, books.definitions, books.exercises)


def read_paragraphs(module: dict, prefix: str) -> dict[str, Document]:
    return {
        (key := f"{prefix}/{place}/{number}"): Document(
            key, f"{module['title']}: {section['title']}", split_sentences(text)
        )
        for place, section in enumerate(module.get("sections") or [])
        for number, text in enumerate(section["paras"])
        if 25 <= len(text.split()) <= 260 and "OpenStax" not in text
    }


def read_definitions(module: dict, prefix: str, books: Books, rng: random.Random) -> None:
    for number, entry in enumerate(module.get("defs") or []):
        term, meaning = (entry["term"], entry["def"]) if isinstance(entry, dict) else entry[:2]
        if term and meaning and len(meaning.split()) >= 6:
            key = f"{prefix}/{number}"
            books.documents[key] = Document(key, term, split_sentences(f"{term}: {meaning}"))
            books.definitions.append((rng.choice(ASKED).format(term), key))
