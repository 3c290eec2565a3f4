"""Make the training lists: for each query one positive and several negatives, each with the teacher's score.

Writes lists-windows.npz, lists-whole.npz (training) and lists-held-out.npz (validation) to the work directory.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lexical import best
from rich.progress import track
from teacher import QUESTIONS, load_shelves, mix, read_rows

LIST_SIZE = 8
BLOCK = 512
# Real search queries are the fewest and the most precious: they come more often than their number.
KIND_SHARES = {"qed": 0.30, "squad": 0.25, "claim": 0.05, "title": 0.14, "keywords": 0.14, "sentence": 0.12}


class ListMaker:
    def __init__(self, work_dir: Path, seed: int) -> None:
        self.units = read_rows(work_dir / "passages.jsonl")
        self.queries = read_rows(work_dir / "queries.jsonl")
        self.embeddings = np.load(work_dir / "queries.npy")
        self.shelves = load_shelves(work_dir, self.units)
        self.by_document: dict[str, list[int]] = {}
        for index, unit in enumerate(self.units):
            self.by_document.setdefault(unit["document"], []).append(index)
        self.place = np.zeros(len(self.units), np.int64)
        for shelf in self.shelves.values():
            self.place[shelf.units] = np.arange(len(shelf.units))
        self.rng = random.Random(seed)

    def find_positive(self, query: dict, score: np.ndarray, *, whole: bool) -> int | None:
        """The positive the teacher likes best; where nobody marked a window, any window of the right document."""
        marked = [unit for unit in query["positives"] if self.units[unit]["whole"] == whole]
        if not marked and query["sure"]:
            documents = {self.units[unit]["document"] for unit in query["positives"]}
            marked = [u for key in documents for u in self.by_document[key] if self.units[u]["whole"] == whole]
        return max(marked, key=lambda unit: score[self.place[unit]]) if marked else None

    def draw_negatives(self, size: int, cosine: np.ndarray, bm25: np.ndarray, score: np.ndarray) -> list[int]:
        """Hard ones (the top of either scorer) in turn with wide ones: a reranker is handed all of BM25's hundred."""
        lexical, near, hybrid = best(bm25, 100).tolist(), best(cosine, 40).tolist(), best(score, 12).tolist()
        hard = self.rng.sample(lexical[:12], 3) + self.rng.sample(hybrid, 4) + self.rng.sample(near[:12], 3)
        wide = [*self.rng.sample(lexical, 7), *self.rng.sample(near, 2), self.rng.randrange(size)]
        pairs = zip(self.rng.sample(hard, 10), self.rng.sample(wide, 10), strict=True)
        return [position for pair in pairs for position in pair]

    def make(self, index: int, cosine: np.ndarray, *, whole: bool) -> tuple[list[int], list[float], float] | None:
        """Units, teacher scores and the weight of the label; the positive (or the teacher's choice) comes first."""
        query = self.queries[index]
        shelf = self.shelves[query["collection"], whole]
        bm25 = shelf.lexical.scores(query["text"])
        score = mix(cosine, bm25)
        positive = self.find_positive(query, score, whole=whole)
        weight = 0.0 if positive is None else 1.0 if query["sure"] else 0.5 * (query["kind"] == "title")
        chosen = [int(shelf.units[self.rng.choice(best(score, 3))]) if positive is None else positive]
        for position in self.draw_negatives(len(shelf.units), cosine, bm25, score):
            unit = int(shelf.units[position])
            if len(chosen) < LIST_SIZE and unit not in chosen and not (weight and self.maybe_relevant(query, unit)):
                chosen.append(unit)
        return (chosen, score[self.place[chosen]].tolist(), weight) if len(chosen) == LIST_SIZE else None

    def maybe_relevant(self, query: dict, unit: int) -> bool:
        """Another unit of a positive's document: too likely to answer as well to be called a negative."""
        return unit in query["positives"] or (
            not query["sure"] and self.units[unit]["document"] == self.units[query["positives"][0]]["document"]
        )

    def cosines(self, plan: list[tuple[int, bool]]) -> Iterator[tuple[int, bool, np.ndarray]]:
        """Each planned query with the cosine of every unit of its shelf; one matrix product per shelf and block."""
        for start in range(0, len(plan), BLOCK):
            block = plan[start : start + BLOCK]
            keys = [(self.queries[index]["collection"], whole) for index, whole in block]
            for key in set(keys):
                members = [entry for entry, own in zip(block, keys, strict=True) if own == key]
                indices = [index for index, _ in members]
                topics = np.array([self.queries[index]["kind"] not in QUESTIONS for index in indices])
                rows = self.shelves[key].cosines(self.embeddings[indices], topics)
                yield from ((index, whole, row) for (index, whole), row in zip(members, rows, strict=True))

    def save(self, path: Path, plan: list[tuple[int, bool]]) -> None:
        made = [
            (index, self.make(index, cosine, whole=whole))
            for index, whole, cosine in track(self.cosines(plan), path.stem, total=len(plan))
        ]
        rows = [(index, row) for index, row in self.rng.sample(made, len(made)) if row]
        np.savez(
            path,
            query=np.array([index for index, _ in rows], np.int32),
            units=np.array([row[0] for _, row in rows], np.int32),
            teacher=np.array([row[1] for _, row in rows], np.float32),
            label=np.array([row[2] for _, row in rows], np.float32),
        )

    def plan(self, count: int) -> list[int]:
        """Training queries in a random order; a kind that runs out starts again, with new negatives."""
        by_kind = {
            kind: [i for i, query in enumerate(self.queries) if query["kind"] == kind and not query["held_out"]]
            for kind in KIND_SHARES
        }
        plan: list[int] = []
        for kind, share in KIND_SHARES.items():
            wanted = round(count * share)
            rounds = -(-wanted // len(by_kind[kind]))
            shuffled = [i for _ in range(rounds) for i in self.rng.sample(by_kind[kind], len(by_kind[kind]))]
            plan += shuffled[:wanted]
        return self.rng.sample(plan, len(plan))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=16000, help="lists of short passages")
    parser.add_argument("--whole", type=int, default=6000, help="lists of whole documents")
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    maker = ListMaker(args.work_dir, args.seed)
    held_out = [(index, True) for index, query in enumerate(maker.queries) if query["held_out"]]
    maker.save(args.work_dir / "lists-held-out.npz", held_out)
    maker.save(args.work_dir / "lists-windows.npz", [(index, False) for index in maker.plan(args.windows)])
    maker.save(args.work_dir / "lists-whole.npz", [(index, True) for index in maker.plan(args.whole)])


if __name__ == "__main__":
    main()
