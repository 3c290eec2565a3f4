"""Lists of held-out training questions, from what pack.py packed: an answer first, then seven that BM25 ranks high."""

import json
import lzma
import random
from dataclasses import dataclass
from pathlib import Path

from lexical import LexicalIndex

LIST_SIZE = 8
HARD = 4  # of BM25's first twelve; the others come from all of its hundred, as a reranker is handed them
LABELLED = ("squad", "qed", "claim", "definition")


@dataclass(frozen=True, slots=True)
class Unit:
    """A whole document of the pack, and which of its three collections it is of."""

    text: str
    place: int


def read_pack(pack: Path, name: str) -> str:
    return lzma.decompress((pack / f"{name}.xz").read_bytes()).decode()


def read_units(pack: Path, small: dict) -> dict[int, Unit]:
    """Whole documents by their number."""
    sentences, heads = (read_pack(pack, name).split("\n") for name in ("sentences.txt", "heads.txt"))
    units = {}
    for number, (document, whole, head, first, last) in enumerate(zip(*small["units"], strict=True)):
        if whole:
            title = heads[head : head + 1] if head >= 0 else []
            text = " ".join([*title, *sentences[first:last]])
            units[number] = Unit(text, int(small["document_place"][document]))
    return units


def held_out_lists(pack: Path, a_kind: int, seed: int = 5) -> list[tuple[str, list[str]]]:
    """Questions with their passages."""
    small, rng = json.loads(read_pack(pack, "small.json")), random.Random(seed)
    units, texts = read_units(pack, small), read_pack(pack, "queries.txt").split("\n")
    members = {place: [number for number, unit in units.items() if unit.place == place] for place in range(3)}
    indexes = {place: LexicalIndex([units[number].text for number in own]) for place, own in members.items()}
    lists = []
    for kind in LABELLED:
        asked = [i for i, name in enumerate(small["kinds"]) if name == kind and small["held"][i] != "0"]
        for query in rng.sample(asked, min(a_kind, len(asked))):
            place, answers = int(small["places"][query]), [u for u in small["positives"][query] if u in units]
            best = [members[place][at] for at in indexes[place].top(texts[query])]
            others = [number for number in best if number not in answers]
            hard = rng.sample(others[:12], HARD)
            wide = rng.sample([number for number in others if number not in hard], LIST_SIZE - 1 - HARD)
            lists.append((texts[query], [units[number].text for number in (rng.choice(answers), *hard, *wide)]))
    return lists
