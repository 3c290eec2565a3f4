"""Rows per second of `bentorank bulk` and of the bare engine in paired rounds; memory and resuming with many rows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import psutil
import typer

from benchmarks.harness.contender import native_body
from benchmarks.harness.contenders import BARE_ENGINE
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import (
    RESULTS,
    machine_sentence,
    markdown_table,
    range_text,
    spread,
    write_results,
)
from benchmarks.harness.scoring_process import run_program
from benchmarks.harness.targets import write_bodies
from benchmarks.harness.texts import read_sample
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness.request_sets import Request

SEED = 13
# What bulk has in sight at a time is three blocks of tokens: about so many rows of fifty passages on a CPU.
ROWS_IN_SIGHT = 16
POLL_S = 0.02
MIB = 2**20


def main(
    *,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    rows: Annotated[int, typer.Option(min=1, help="Rows of a round.")] = 32,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a row.")] = 50,
    many: Annotated[int, typer.Option(help="Rows to resume with; 0 leaves that out.")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="Folder of bulk.json and bulk.md.")] = RESULTS,
) -> None:
    """Measure speed with the shipped model, and memory and resuming with the fake engine."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        measured = measure_speed(folder, rounds, rows, documents)
        resumed = measure_many(folder, many) if many else None
    result = {
        "machine": asdict(describe_machine()),
        "setup": {"rounds": rounds, "rows": rows, "documents": documents, "many": many},
        "rounds": measured,
        "ratio": spread([figures["bulk"] / figures["bare_engine"] for figures in measured]),
        "many": resumed,
    }
    write_results(out, "bulk", result, as_markdown(result))


def measure_speed(folder: Path, rounds: int, rows: int, documents: int) -> list[dict[str, float]]:
    """Rows per second of both on the same rows, in turn."""
    sets = rounds_of_requests(read_sample(), rounds=rounds + 1, requests=rows, documents=documents, seed=SEED)
    model = resolve_model("starter")
    measured = []
    with run_program(BARE_ENGINE, model, ROWS_IN_SIGHT) as bare:
        for number, requests in enumerate(sets):
            bodies = folder / f"bodies-{number}.jsonl"
            write_bodies(bodies, requests, native_body)
            alone = bare.measure(bodies)["pairs_per_s"] / documents
            measured.append({"bare_engine": alone, "bulk": bulk_rows_per_s(folder, number, requests)})
    return measured[1:]  # the first warms up


def bulk_rows_per_s(folder: Path, number: int, requests: Sequence[Request]) -> float:
    """Of the command, its model's loading left out as the bare engine's is."""
    lists, ranked = folder / f"lists-{number}.jsonl", folder / f"ranked-{number}"
    lists.write_bytes(b"".join(_row(place, request) for place, request in enumerate(requests)))
    start(lists, ranked).wait()
    speed: float = summary(ranked)["this_run"]["rows_per_s"]
    return speed


def _row(place: int, request: Request) -> bytes:
    row = {"id": place, "query": request.query, "documents": request.documents}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def measure_many(folder: Path, rows: int) -> dict[str, Any]:
    """A job over so many rows of one passage, killed near its end and gone on with."""
    lists, ranked = folder / "many.jsonl", folder / "many"
    with lists.open("wb") as file:
        for number in range(rows):
            row = {"id": f"row-{number}", "query": f"owls {number}", "documents": [f"owls hunt mice {number}"]}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    journal = ranked / "_bulk" / "journal.jsonl"
    almost = rows // 1000 * 9 // 10
    process = start(lists, ranked, BENTORANK_ENGINE="fake")
    begun = time.perf_counter()
    at_tenth, peak = 0, 0
    while lines_of(journal) < almost:
        time.sleep(POLL_S)
        peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        if not at_tenth and lines_of(journal) >= almost // 10:
            at_tenth = peak
    speed = lines_of(journal) * 1000 / (time.perf_counter() - begun)
    process.kill()
    process.wait()
    kept = lines_of(journal)
    again = start(lists, ranked, BENTORANK_ENGINE="fake")
    begun = time.perf_counter()
    while lines_of(journal) == kept:
        time.sleep(POLL_S)
    resumed_s = time.perf_counter() - begun
    again.wait()
    fresh = start(lists, folder / "fresh", BENTORANK_ENGINE="fake")
    begun = time.perf_counter()
    while lines_of(folder / "fresh" / "_bulk" / "journal.jsonl") == 0:
        time.sleep(POLL_S)
    fresh_s = time.perf_counter() - begun
    fresh.kill()
    fresh.wait()
    return {
        "rows": summary(ranked)["rows"],
        "rows_per_s": speed,
        "rss_mib_at_a_tenth": at_tenth / MIB,
        "peak_rss_mib": peak / MIB,
        "first_part_after_a_kill_s": resumed_s,
        "first_part_of_a_new_job_s": fresh_s,
    }


def start(lists: Path, ranked: Path, **settings: str) -> subprocess.Popen[bytes]:
    """The command, as a process."""
    command = [sys.executable, "-m", "bentorank", "bulk", "--in", str(lists), "--out", str(ranked)]
    return subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def summary(ranked: Path) -> dict[str, Any]:
    """What the job came to."""
    found: dict[str, Any] = orjson.loads((ranked / "_bulk" / "summary.json").read_bytes())
    return found


def lines_of(journal: Path) -> int:
    """Parts that are committed."""
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def as_markdown(result: dict[str, Any]) -> str:
    """The figures, and what they came from."""
    setup, many = result["setup"], result["many"]
    rows = [
        [name, range_text(spread([figures[key] for figures in result["rounds"]]), ".2f")]
        for name, key in (("`bentorank bulk`", "bulk"), ("the engine alone", "bare_engine"))
    ]
    rows.append(["ratio, of each round", range_text(result["ratio"], ".3f")])
    title = f"# Bulk\n\n{machine_sentence(result['machine'])}\n\n"
    shape = f"Rows of {setup['documents']} passages, {setup['rows']} a round, {setup['rounds']} rounds in turn.\n\n"
    text = title + shape + markdown_table(["", "rows/s, median (range)"], rows)
    if many is None:
        return text
    figures = [
        ["rows/s, with all that is written", f"{many['rows_per_s']:,.0f}"],
        ["memory after a tenth of them, MiB", f"{many['rss_mib_at_a_tenth']:.0f}"],
        ["memory at most, MiB", f"{many['peak_rss_mib']:.0f}"],
        ["from the command to the first part, after a kill at 90 %, s", f"{many['first_part_after_a_kill_s']:.1f}"],
        ["the same of a new job, s", f"{many['first_part_of_a_new_job_s']:.1f}"],
    ]
    heading = f"\n\n{many['rows']:,} rows of one passage, the fake engine, one process:\n\n"
    return text + heading + markdown_table(["", ""], figures)


if __name__ == "__main__":
    typer.run(main)
