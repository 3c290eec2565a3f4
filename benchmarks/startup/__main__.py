"""A new user's wait: `make serve` in a fresh clone until the first answer, a start after that, and the memory taken."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.harness.contender import native_body
from benchmarks.harness.contenders import MAKE_SERVE
from benchmarks.harness.load_process import run_load
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.servers import run_server
from benchmarks.harness.targets import write_bodies
from benchmarks.harness.texts import read_sample

REPOSITORY = Path(__file__).parents[2]
INSTALL_TIMEOUT_S = 1800.0
REQUESTS = 16
DOCUMENTS = 50
CLIENTS = 8
SEED = 13


def clone(folder: Path) -> None:
    """The last commit, without anything that lies about in the working tree."""
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(REPOSITORY), str(folder)], check=True)


def measure_start(folder: Path, model: str) -> dict[str, Any]:
    """Seconds from `make serve` to ready, and the memory of its processes then and after a load."""
    with run_server(MAKE_SERVE, model, folder=folder, timeout_s=INSTALL_TIMEOUT_S) as server:
        ready = server.memory()
        [requests] = rounds_of_requests(read_sample(), rounds=1, requests=REQUESTS, documents=DOCUMENTS, seed=SEED)
        bodies = folder / "bodies.jsonl"
        write_bodies(bodies, requests, native_body)
        load = run_load(server.rerank_url, bodies, "--clients", str(CLIENTS))
        bodies.unlink()
        return {
            "ready_s": server.ready_s,
            "memory_ready": asdict(ready),
            "memory_loaded": asdict(server.memory()),
            "failures": load["failures"],
        }


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each start."""
    header = ["", "seconds to ready", "RSS MiB when ready", "RSS MiB after load"]
    rows = [
        [
            name,
            f"{start['ready_s']:.1f}",
            *(f"{start[when]['rss_mib']:.0f}" for when in ("memory_ready", "memory_loaded")),
        ]
        for name, start in result["starts"].items()
    ]
    return "\n\n".join(("# Start", markdown_table(header, rows), machine_sentence(result["machine"])))


def main(
    *,
    model: Annotated[str, typer.Option(help="`starter`, a folder or a Hugging Face model id.")] = "starter",
    package_cache: Annotated[bool, typer.Option(help="Let pip and uv take packages from their caches.")] = True,
    out: Annotated[Path, typer.Option(help="Folder of startup.json and startup.md.")] = RESULTS,
) -> None:
    """Measure an install with its first start, and a second start."""
    if not package_cache:
        os.environ |= {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}
    scratch = Path(tempfile.mkdtemp())
    # A converted model that an earlier start left behind would flatter the first one.
    os.environ["BENTORANK_CACHE_DIR"] = str(scratch / "cache")
    try:
        clone(scratch / "clone")
        starts = {name: measure_start(scratch / "clone", model) for name in ("install and first start", "second start")}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    result = {"machine": asdict(describe_machine()), "package_cache": package_cache, "starts": starts}
    write_results(out, "startup", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
