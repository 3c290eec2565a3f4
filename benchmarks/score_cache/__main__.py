"""Measure the score cache: python -m benchmarks.score_cache. Needs redis-server."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.score_cache.answers import measure_answers
from benchmarks.score_cache.hits import measure_hits
from benchmarks.score_cache.levels import measure_levels
from benchmarks.score_cache.redis_process import running_redis
from benchmarks.score_cache.report import as_markdown


def main(
    *,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of throughput; 0 leaves it out.")] = 5,
    requests: Annotated[int, typer.Option(min=1, help="Requests of a round.")] = 16,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a request.")] = 50,
    clients: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 8,
    out: Annotated[Path, typer.Option(help="Folder of score_cache.json and score_cache.md.")] = RESULTS,
) -> None:
    """Throughput by the share of hits, latency of remembered answers, and the levels alone."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with running_redis() as redis_process:
            levels = asyncio.run(measure_levels(redis_process.url))
        with running_redis() as redis_process:
            answers = measure_answers(folder, redis_process.url)
        load = {"requests": requests, "documents": documents, "clients": clients}
        hits = measure_hits(folder, rounds=rounds, **load) if rounds else None
    machine = asdict(describe_machine())
    result = {"machine": machine, **load, "hits": hits, "answers": answers, "levels": levels}
    write_results(out, "score_cache", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
