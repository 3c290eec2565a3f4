"""Pack the measuring collections with their candidates, so that the GPU can say how each set of weights ranks them.

They are measured there and nothing else: no choice is made by them, and pack.py keeps their text out of training.
"""

import argparse
import json
from pathlib import Path

from pack import store

from benchmarks.quality.run import load_task

TOP_K = 100
QUERIES = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--collections", type=Path, required=True, help="what benchmarks.quality.prepare_collections wrote"
    )
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    texts: dict[str, int] = {}
    collections = {}
    for folder in sorted(path for path in args.collections.iterdir() if path.is_dir()):
        task = load_task(folder, TOP_K, QUERIES)
        rows = []
        for entry in task.lists:
            numbers = [texts.setdefault(passage, len(texts)) for passage in entry.passages]
            judged = task.qrels[entry.query_id]
            gains = [judged.get(key, 0) for key in entry.documents]
            rows.append([entry.query, numbers, gains, sorted(judged.values(), reverse=True)[:10]])
        collections[folder.name] = rows
        print(folder.name, len(rows), "queries", sum(len(row[1]) for row in rows), "pairs")
    data = json.dumps({"texts": list(texts), "collections": collections}, ensure_ascii=False, separators=(",", ":"))
    store(args.output / "tests.json", data.encode())


if __name__ == "__main__":
    main()
