"""One caller, one request at a time: how much later an answer comes over HTTP than from the engine alone.

Both score every request, one right after the other and in alternating order: on a shared machine the seconds of two
runs differ by more than the service adds.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import asdict
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.harness.contender import native_body
from benchmarks.harness.contenders import BARE_ENGINE, BENTORANK
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.scoring_process import run_program
from benchmarks.harness.servers import ServerError, start_servers
from benchmarks.harness.texts import read_sample
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness.request_sets import Request
    from benchmarks.harness.scoring_process import ScoringProcess

SEED = 13
WARM_UP_REQUESTS = 12
SIZES = (1, 20, 100)
STAGES = ("tokenize", "queue", "inference")
# So that neither is measured while the other's threads wind down.
SETTLE_S = 0.1


class Caller:
    """Asks the server and the bare engine for the same request."""

    def __init__(self, connection: HTTPConnection, path: str, bare: ScoringProcess, folder: Path) -> None:
        self._connection = connection
        self._path = path
        self._bare = bare
        self._body = folder / "body.jsonl"

    def ask_both(self, request: Request, *, server_first: bool) -> dict[str, float]:
        """Milliseconds of either, and the stages that the server reports of itself."""
        self._body.write_bytes(native_body(request))
        asks = (self._ask_server, self._ask_bare) if server_first else (self._ask_bare, self._ask_server)
        answers: dict[str, float] = {}
        for ask in asks:
            time.sleep(SETTLE_S)
            answers |= ask()
        return answers

    def _ask_bare(self) -> dict[str, float]:
        return {"bare": self._bare.measure(self._body)["latency_ms"]["p50"]}

    def _ask_server(self) -> dict[str, float]:
        body = self._body.read_bytes()
        started = time.perf_counter()
        self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = response.read()
        served_ms = (time.perf_counter() - started) * 1e3
        if response.status != HTTPStatus.OK:
            raise ServerError(f"bentorank answered {response.status}")
        timings = orjson.loads(answer)["timings_ms"]
        stages = {stage: timings[stage] for stage in STAGES}
        return {"served": served_ms, "http": served_ms - timings["total"], **stages}


def summarise(asked: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Medians of everything, the difference of the medians, and the median of the differences."""
    medians = {name: median(each[name] for each in asked) for name in asked[0]}
    return {
        "requests": len(asked),
        "p50_ms": medians,
        "p50_difference_ms": medians["served"] - medians["bare"],
        "paired_difference_ms": median(each["served"] - each["bare"] for each in asked),
    }


def as_markdown(result: dict[str, Any]) -> str:
    """A row for each size of request."""
    header = ["documents", "requests", "bare engine", "over HTTP", "difference of p50", "p50 of differences"]
    header += ["HTTP", "tokenising", "queue", "forward passes"]
    rows = [_row(documents, run) for documents, run in result["sizes"].items()]
    title = f"{result['model']}, one request at a time, p50 in milliseconds. The last four columns are of the service."
    return "\n\n".join(("# A single client", title, markdown_table(header, rows), machine_sentence(result["machine"])))


def _row(documents: str, run: dict[str, Any]) -> list[str]:
    p50 = run["p50_ms"]
    shown = (p50["bare"], p50["served"], run["p50_difference_ms"], run["paired_difference_ms"], p50["http"])
    return [documents, str(run["requests"]), *(f"{ms:.1f}" for ms in (*shown, *(p50[stage] for stage in STAGES)))]


def main(
    *,
    model: Annotated[str, typer.Option(help="`starter` or the folder of a cross-encoder.")] = "starter",
    documents: Annotated[list[int] | None, typer.Option(min=1, help="Of a request; repeatable.")] = None,
    requests: Annotated[int, typer.Option(min=1, help="Of each size.")] = 100,
    out: Annotated[Path, typer.Option(help="Folder of single_client.json and single_client.md.")] = RESULTS,
) -> None:
    """Measure each size on requests of its own, the first of which only warm up."""
    console, folder, texts = Console(), resolve_model(model), read_sample()
    sizes = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (server,) = start_servers([BENTORANK], folder, stack, console)
        bare = stack.enter_context(run_program(BARE_ENGINE, folder, 1))
        connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port, timeout=60)))
        caller = Caller(connection, server.contender.rerank_path, bare, scratch)
        for size in documents or SIZES:
            count = WARM_UP_REQUESTS + requests
            (sent,) = rounds_of_requests(texts, rounds=1, requests=count, documents=size, seed=SEED)
            for request in sent[:WARM_UP_REQUESTS]:
                caller.ask_both(request, server_first=True)
            numbered = track(list(enumerate(sent[WARM_UP_REQUESTS:])), f"{size} documents", console=console)
            sizes[str(size)] = summarise([caller.ask_both(each, server_first=n % 2 == 0) for n, each in numbered])
    result = {"machine": asdict(describe_machine()), "model": Path(model).name, "sizes": sizes}
    write_results(out, "single_client", result, as_markdown(result))
    console.print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
