"""The teacher: the encoder's cosine plus a share of BM25.

A question is answered in one place of a document, so a whole document has the cosine of its best window. A topic (a
title, keywords, a sentence) is what a document is about from end to end, so there the mean of all its windows counts as
much.

Run as a script it compares shares on training questions, which is how BM25_SHARE was chosen.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from lexical import LexicalIndex, best
from rich.console import Console
from rich.progress import track
from rich.table import Table

# Each alone misses what the other sees: the cosine names and numbers, BM25 every paraphrase.
BM25_SHARE = 0.3
QUESTIONS = ("squad", "qed", "claim")  # kinds of queries; the others are topics


def read_rows(path: Path) -> list[dict]:
    return [orjson.loads(line) for line in path.open("rb")]


def mix(cosine: np.ndarray, bm25: np.ndarray, share: float = BM25_SHARE) -> np.ndarray:
    """The teacher's score of every passage. BM25 is scaled by its best, so that shares compare across queries."""
    return cosine + share * bm25 / max(float(bm25.max()), 1e-6)


@dataclass(slots=True)
class Shelf:
    """The units of one collection at one level (windows or whole documents), with both scorers."""

    units: np.ndarray  # positions in passages.jsonl
    windows: np.ndarray  # embeddings of the collection's windows
    first_windows: np.ndarray  # each unit's first row of `windows`: of a document its first window, of a window itself
    means: np.ndarray  # each unit's normalised mean of its windows' embeddings
    lexical: LexicalIndex

    def cosines(self, queries: np.ndarray, topics: np.ndarray) -> np.ndarray:
        """Of every query (rows) with every unit; `topics` says which queries are no questions."""
        best_window = np.maximum.reduceat(queries @ self.windows.T, self.first_windows, axis=1)
        whole = queries @ self.means.T
        return np.where(topics[:, None], (best_window + whole) / 2, best_window)


def load_shelves(work_dir: Path, units: list[dict]) -> dict[tuple[str, bool], Shelf]:
    embeddings = np.load(work_dir / "windows.npy").astype(np.float32)
    whole = np.array([unit["whole"] for unit in units])
    documents, collections = (np.array([unit[name] for unit in units]) for name in ("document", "collection"))
    shelves = {}
    for collection in np.unique(collections).tolist():
        windows = np.flatnonzero(~whole & (collections == collection))
        # The windows of a document follow one another.
        begins = np.flatnonzero(np.r_[True, documents[windows][1:] != documents[windows][:-1]])
        vectors = embeddings[np.cumsum(~whole)[windows] - 1]
        for level, first_windows in ((False, np.arange(len(windows))), (True, begins)):
            members = np.flatnonzero((whole == level) & (collections == collection))
            means = np.add.reduceat(vectors, first_windows, axis=0)
            means /= np.linalg.norm(means, axis=1, keepdims=True)
            lexical = LexicalIndex([units[index]["text"] for index in members])
            shelves[collection, level] = Shelf(members, vectors, first_windows, means, lexical)
    return shelves


def ndcg(order: np.ndarray, relevant: set[int]) -> float:
    """nDCG@10 with binary labels."""
    gains = [1 / np.log2(rank + 2) for rank, unit in enumerate(order[:10]) if int(unit) in relevant]
    return sum(gains) / sum(1 / np.log2(rank + 2) for rank in range(min(10, len(relevant))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=400, help="training questions of each kind")
    args = parser.parse_args()
    units, queries = read_rows(args.work_dir / "passages.jsonl"), read_rows(args.work_dir / "queries.jsonl")
    embeddings, shelves = np.load(args.work_dir / "queries.npy"), load_shelves(args.work_dir, units)
    shares = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0)
    table = Table("questions", "BM25", *(f"+{share}" for share in shares), title="nDCG@10 over BM25's best 100")
    for kind in QUESTIONS:
        asked = [index for index, query in enumerate(queries) if query["kind"] == kind and not query["held_out"]]
        gains = []
        for index in track(asked[: args.queries], kind):
            shelf = shelves[queries[index]["collection"], True]
            (cosine,) = shelf.cosines(embeddings[[index]], np.array([False]))
            bm25 = shelf.lexical.scores(queries[index]["text"])
            first = best(bm25, 100)
            relevant = {unit for unit in queries[index]["positives"] if units[unit]["whole"]}
            rankings = [bm25, *(mix(cosine, bm25, share) for share in shares)]
            orders = [shelf.units[first[np.argsort(-scores[first])]] for scores in rankings]
            gains.append([ndcg(order, relevant) for order in orders])
        table.add_row(kind, *(f"{value:.3f}" for value in np.mean(gains, 0)))
    Console().print(table)


if __name__ == "__main__":
    main()
