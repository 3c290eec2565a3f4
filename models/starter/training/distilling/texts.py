"""What the host reads, tokenises and counts while the device warms up."""

import argparse
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from distilling.clock import say
from distilling.rows import flatten
from distilling.unpacking import load
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

WORD = re.compile(r"\b\w\w+\b")
CLS, SEP = 101, 102
NAMES = ("sentences.txt", "heads.txt", "queries.txt", "stems.txt", "small.json", "tests.json", "e5-vocabulary.json",
         "start.bin", "minilm.bin", "e5.bin")  # fmt: skip


class Texts:
    """What the host reads, tokenises and counts while the device warms up."""

    def __init__(self, args: argparse.Namespace) -> None:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            self.data = dict(zip(NAMES, pool.map(lambda name: load(args.pack / f"{name}.xz"), NAMES), strict=True))
        say("unpacked")
        raw = Raw.of(self.data)
        if args.tiny:
            raw.shrink(args.tiny)
        self.kinds, self.positives, self.units = raw.small["kinds"], raw.small["positives"], raw.units
        self.held, self.places, self.document_place = (
            np.array([int(digit) for digit in raw.small[name]]) for name in ("held", "places", "document_place")
        )
        self.stop = set(raw.small["stop"])
        self.read_for_bert(args.tokenizer, raw)
        self.read_for_e5(raw)
        stemmed = dict(self.stem(line) for line in self.data["stems.txt"].decode().split("\n") if line)
        self.terms: dict[str, int] = {}
        self.text_terms = [self.count(text, stemmed) for text in (*raw.sentences, *raw.heads)]
        self.query_terms = [self.count(text, stemmed) for text in raw.queries]
        self.sentence_count = len(raw.sentences)
        say("terms", len(self.terms))

    def read_for_bert(self, path: Path, raw: "Raw") -> None:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.queries = flatten(tokenizer, raw.queries, 64, (CLS,), (SEP,))
        self.sentences, self.heads = (flatten(tokenizer, texts) for texts in (raw.sentences, raw.heads))
        self.prefix = flatten(tokenizer, [""], first=(CLS,))
        self.bare_queries = flatten(tokenizer, raw.queries, 64)
        self.tests = {
            name: (flatten(tokenizer, [row[0] for row in rows], 256, (CLS,), (SEP,)), rows)
            for name, rows in raw.tests["collections"].items()
        }
        self.test_texts = flatten(tokenizer, raw.tests["texts"])
        sizes = ("units", self.units.shape[1], "queries", len(raw.queries))
        say("tokens of sentences", len(self.sentences.ids), *sizes)

    def read_for_e5(self, raw: "Raw") -> None:
        vocabulary = json.loads(self.data["e5-vocabulary.json"])
        first, self.e5_end, _, unknown = vocabulary["special"]
        pieces = list(zip(vocabulary["pieces"], vocabulary["scores"], strict=True))
        unigram = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
        unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
        unigram.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
        self.e5_prefixes = [flatten(unigram, [text], first=(first,)) for text in ("passage:", "query:")]
        self.e5_sentences, self.e5_heads = (flatten(unigram, texts) for texts in (raw.sentences, raw.heads))
        self.e5_queries = flatten(unigram, raw.queries, 64)
        say("tokens for e5")

    def count(self, text: str, stemmed: dict[str, str]) -> np.ndarray:
        terms = self.terms
        return np.array(
            [
                terms.setdefault(stemmed.get(word, word), len(terms))
                for word in WORD.findall(text.lower())
                if word not in self.stop
            ],
            np.int64,
        )

    @staticmethod
    def stem(line: str) -> tuple[str, str]:
        word, change = line.split(" ", 1)
        digits = re.match(r"\d+", change)[0]
        return word, word[: len(word) - int(digits)] + change[len(digits) :]


@dataclass(slots=True)
class Raw:
    """The pack's texts before they are tokens."""

    sentences: list[str]
    heads: list[str]
    queries: list[str]
    small: dict
    units: np.ndarray
    tests: dict

    @classmethod
    def of(cls, data: dict[str, bytes]) -> "Raw":
        small, tests = json.loads(data["small.json"]), json.loads(data["tests.json"])
        parts = (data[f"{name}.txt"].decode().split("\n") for name in ("sentences", "heads", "queries"))
        raw = cls(*parts, small, np.array(small["units"]), tests)
        # A text that the pack holds anyway is its title and the unit.
        tests["texts"] = [text if isinstance(text, str) else raw.text_of(*text) for text in tests["texts"]]
        return raw

    def text_of(self, title: str, unit: int) -> str:
        return " ".join([title, *self.sentences[self.units[3][unit] : self.units[4][unit]]])

    def shrink(self, wanted: int) -> None:
        """To about so many documents, a few queries and short tests: to rehearse on a CPU."""
        small, documents = self.small, len(self.small["documents"])
        kept = np.zeros(documents, bool)
        kept[:: max(1, documents // wanted)] = True
        old = np.flatnonzero(kept[self.units[0]])
        read = set(expand(self.units[3][old], self.units[4][old]).tolist())
        self.sentences = [text if index in read else "" for index, text in enumerate(self.sentences)]
        renumber = np.full(self.units.shape[1], -1)
        renumber[old] = np.arange(len(old))
        self.units = self.units[:, old]
        positives = [[int(renumber[unit]) for unit in row if renumber[unit] >= 0] for row in small["positives"]]
        chosen = [i for i, row in enumerate(positives) if (row and i % 3 == 0) or i % 800 == 0]
        self.queries, small["positives"] = ([own[i] for i in chosen] for own in (self.queries, positives))
        small |= {name: [small[name][i] for i in chosen] for name in ("kinds", "held", "places")}
        self.tests["collections"] = {
            name: [[query, numbers[:8], gains[:8], ideal] for query, numbers, gains, ideal in rows[:2]]
            for name, rows in self.tests["collections"].items()
        }
        asked = {number for rows in self.tests["collections"].values() for row in rows for number in row[1]}
        self.tests["texts"] = [text if number in asked else "" for number, text in enumerate(self.tests["texts"])]


def expand(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The numbers of all ranges, one range after the other."""
    size = end - begin
    shift = np.repeat(begin - (np.cumsum(size) - size), size)
    return np.arange(size.sum()) + shift
