"""Two models on one device: how its time is shared, and what a light load on one waits beside a flood on the other.

The flooded model is the same in f32, whose passes take longer. Small requests arrive at random, whether or not earlier
ones are answered; the flood is a few clients with large requests always in flight.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.request import urlopen

import orjson
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from benchmarks.harness.contenders import BENTORANK
from benchmarks.harness.load_process import run_load
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.request_sets import rounds_of_requests
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.servers import RunningServer, run_server
from benchmarks.harness.targets import write_bodies
from benchmarks.harness.texts import read_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness.request_sets import Request

LIGHT, HEAVY = "light", "heavy"
MODELS = f"""
[[models]]
name = "{LIGHT}"
source = "starter"

[[models]]
name = "{HEAVY}"
source = "starter"
precision = "f32"
"""
LIGHT_SEED, HEAVY_SEED = 13, 14
FLOOD_DOCUMENTS, CLIENTS = 50, 4
# Whoever waits for longer than that shows it: nobody is to be refused here.
PATIENT = {"BENTORANK_CACHE": "false", "BENTORANK_REQUEST_TIMEOUT_S": "600"}
# Sleeps instead of computing, so that a busy machine changes little; both models are then as fast as each other.
SLEEPING = {"BENTORANK_ENGINE": "fake", "BENTORANK_FAKE_TOKEN_DELAY_US": "50", "BENTORANK_MAX_BATCH_TOKENS": "1024"}
LEAD_S = 2.0
BUSY_S, TOKENS = "rerank_device_busy_seconds_total", "rerank_tokens_total"
# The service reports its batches every half second.
REPORTED_WITHIN_S = 1.0


class Load:
    """Two kinds of requests to one server, each to be sent at a model."""

    def __init__(self, server: RunningServer, rate_per_s: float, folder: Path) -> None:
        self._server = server
        self._rate_per_s = rate_per_s
        self._folder = folder

    def light(self, requests: Sequence[Request], flood: Sequence[Request] = (), at: str = HEAVY) -> dict[str, Any]:
        """Small requests for the light model, beside a flood of large ones `at` a model, if there are any."""
        small, seconds = self._bodies(LIGHT, requests), len(requests) / self._rate_per_s
        before = self._counted(BUSY_S)
        with ThreadPoolExecutor(1) as beside:
            if flood:
                beside.submit(self._flood, at, flood, LEAD_S + seconds)
                time.sleep(LEAD_S)
            run = run_load(self._server.rerank_url, small, "--rate-per-s", str(self._rate_per_s))
        time.sleep(REPORTED_WITHIN_S)
        return {"latency_ms": run["latency_ms"], "failures": run["failures"]} | shares(self._since(BUSY_S, before))

    def both(self, flood: Sequence[Request], seconds: float) -> dict[str, Any]:
        """The same flood at both, counted while both have work."""
        with ThreadPoolExecutor(2) as callers:
            for model in (LIGHT, HEAVY):
                callers.submit(self._flood, model, flood, 2 * LEAD_S + seconds)
            time.sleep(LEAD_S)
            before, tokens_before = self._counted(BUSY_S), self._counted(TOKENS)
            time.sleep(seconds)
            return {"tokens": self._since(TOKENS, tokens_before)} | shares(self._since(BUSY_S, before))

    def _flood(self, model: str, requests: Sequence[Request], for_s: float) -> dict[str, Any]:
        bodies = self._bodies(model, requests)
        return run_load(self._server.rerank_url, bodies, "--clients", str(CLIENTS), "--for-s", str(for_s))

    def _bodies(self, model: str, requests: Sequence[Request]) -> Path:
        def body(request: Request) -> bytes:
            return orjson.dumps({"query": request.query, "documents": request.documents, "model": model})

        path = self._folder / f"{model}-{len(requests)}.jsonl"
        write_bodies(path, requests, body)
        return path

    def _since(self, counter: str, before: dict[str, float]) -> dict[str, float]:
        return {model: count - before[model] for model, count in self._counted(counter).items()}

    def _counted(self, counter: str) -> dict[str, float]:
        """By model."""
        with urlopen(self._server.rerank_url.replace("/rerank", "/metrics")) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples if sample.name == counter]
        return {sample.labels["model"]: sample.value for sample in samples}


def shares(busy_s: dict[str, float]) -> dict[str, Any]:
    """Of the device's time."""
    return {"busy_s": busy_s, "share": {model: seconds / sum(busy_s.values()) for model, seconds in busy_s.items()}}


def as_markdown(result: dict[str, Any]) -> str:
    """What the light model's callers wait, and who has the device."""
    waits = [
        [name, *(f"{run['latency_ms'][part]:.0f}" for part in ("p50", "p95", "p99")), f"{run['share'][LIGHT]:.0%}"]
        for name, run in result["light"].items()
    ]
    both = result["both"]
    parts_of_device = [
        [model, f"{both['share'][model]:.1%}", f"{both['busy_s'][model]:.1f}", f"{both['tokens'][model]:,.0f}"]
        for model in (LIGHT, HEAVY)
    ]
    setup = result["setup"]
    models = "Two fake models, 50 µs a token" if setup["fake"] else "The starter in int8, and in f32 as the heavy one"
    title = (
        f"{models}. {setup['rate_per_s']:g} requests a second of"
        f" {setup['documents']} documents for the light model; a flood is {CLIENTS} clients with {FLOOD_DOCUMENTS}"
        " documents each."
    )
    parts = (
        "# Two models on one device",
        title,
        markdown_table(["light model", "p50 ms", "p95 ms", "p99 ms", "its share of the device's time"], waits),
        "The same flood at both:",
        markdown_table(["model", "share of the device's time", "seconds of it", "tokens"], parts_of_device),
        machine_sentence(result["machine"]),
    )
    return "\n\n".join(parts)


def main(
    *,
    requests: Annotated[int, typer.Option(min=1, help="Small requests of a run.")] = 120,
    rate: Annotated[float, typer.Option(min=1e-3, help="Small requests a second.")] = 2.0,
    documents: Annotated[int, typer.Option(min=1, help="Documents of a small request.")] = 8,
    fake: Annotated[bool, typer.Option("--fake", help="With the fake engine, which sleeps.")] = False,
    out: Annotated[
        Path, typer.Option(help="Folder of several_models.json and .md, or several_models_fake.…")
    ] = RESULTS,
) -> None:
    """Alone, beside a flood on the other model and on the same, and both flooded."""
    texts = read_sample()
    runs = rounds_of_requests(texts, rounds=3, requests=requests, documents=documents, seed=LIGHT_SEED)
    available = len(texts.queries) * (len(texts.passages) // FLOOD_DOCUMENTS)
    (flood,) = rounds_of_requests(texts, rounds=1, requests=available, documents=FLOOD_DOCUMENTS, seed=HEAVY_SEED)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "models.toml").write_text(MODELS, encoding="utf-8")
        environment = {name: value for name, value in BENTORANK.environment.items() if name != "BENTORANK_MODEL"}
        environment |= {"BENTORANK_MODELS": str(folder / "models.toml")} | PATIENT | (SLEEPING if fake else {})
        server = stack.enter_context(run_server(replace(BENTORANK, environment=environment), "starter"))
        load = Load(server, rate, folder)
        light = {
            "alone": load.light(runs[0]),
            "beside a flood on the other": load.light(runs[1], flood),
            "beside a flood on the same": load.light(runs[2], flood, at=LIGHT),
        }
        both = load.both(flood, requests / rate / 2)
    setup = {
        "rate_per_s": rate,
        "documents": documents,
        "flood_documents": FLOOD_DOCUMENTS,
        "clients": CLIENTS,
        "fake": fake,
    }
    result = {"machine": asdict(describe_machine()), "setup": setup, "light": light, "both": both}
    markdown = as_markdown(result)
    Console().print(markdown, soft_wrap=True, markup=False, highlight=False)
    write_results(out, "several_models_fake" if fake else "several_models", result, markdown)


if __name__ == "__main__":
    typer.run(main)
