"""`CrossEncoder.predict` without a server, on the requests of a load run. A `Program`: see `harness/contender.py`.

Needs sentence-transformers and nothing of ours, so that it runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import CrossEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_SIZE = 32


def windows(bodies: Path, requests_in_sight: int) -> Iterator[list[tuple[str, str]]]:
    """The pairs of a file of native request bodies, in windows of so many requests."""
    requests = [json.loads(line) for line in bodies.read_bytes().splitlines()]
    pairs = [[(request["query"], text) for text in request["documents"]] for request in requests]
    for start in range(0, len(pairs), requests_in_sight):
        yield list(chain.from_iterable(pairs[start : start + requests_in_sight]))


def measure(model: CrossEncoder, bodies: Path, requests_in_sight: int) -> dict[str, Any]:
    """Score window after window; `predict` sorts the pairs of each by length itself."""
    started, count = time.perf_counter(), 0
    for window in windows(bodies, requests_in_sight):
        count += len(model.predict(window, batch_size=BATCH_SIZE, show_progress_bar=False))
    seconds = time.perf_counter() - started
    return {"pairs": count, "pairs_per_s": count / seconds, "seconds": seconds}


def main() -> None:
    """Load the model, say so, and measure a file a line until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--clients", type=int, default=8, help="requests that a server would see at once")
    options = parser.parse_args()
    model = CrossEncoder(options.model, device="cpu", model_kwargs={"dtype": getattr(torch, options.dtype)})
    answer: dict[str, Any] = {"ready": {"dtype": options.dtype, "threads": torch.get_num_threads()}}
    while True:
        print(json.dumps(answer), flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        answer = measure(model, Path(line.strip()), options.clients)


if __name__ == "__main__":
    main()
