"""What the client and the framework packages cost, and what a caller sees on a bad day; writes `clients.*`.

python -m benchmarks.clients
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import psutil
import typer
from bentorank_client import AsyncReranker, RankedDocument, Reranker, RerankError, RerankResult
from bentorank_client.breaker import CircuitBreaker, breaker_of
from rich.console import Console

from benchmarks.harness.contenders import FRESH_SCORES
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.results_files import RESULTS, machine_sentence, markdown_table, write_results
from benchmarks.harness.servers import free_port, stop_session, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bentorank_client.options import ClientArguments

DOCUMENTS = [f"Passage number {number}. " + "Owls hunt mice at night and rest by day. " * 12 for number in range(100)]
QUERY = "what do owls eat"
READY_TIMEOUT_S = 60.0
PAUSE_S = 0.3  # between a caller's calls around the kill, so that they last longer than the outage
console = Console(stderr=True)


class AnswersAtOnce:
    """A server that has its answer ready: what is left of a call is the client, and the loopback."""

    def __init__(self) -> None:
        results = [{"index": index, "relevance_score": 1 / (index + 2), "truncated": False} for index in range(100)]
        usage = {"total_tokens": 1, "pairs": 100, "cached_pairs": 0, "truncated_documents": 0}
        self.status = 200
        self.requests = 0
        answer = orjson.dumps({"id": "rerank-1", "model": "m", "results": results, "usage": usage})
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                server.requests += 1
                self.send_response(server.status)
                body = answer if server.status == 200 else b"{}"
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


class AnswersHere:
    """A client that has its answer ready: what is left of a call is the framework's package."""

    result = RerankResult(tuple(RankedDocument(index, 1 / (index + 2)) for index in range(100)))

    def rerank(self, *_: object, **__: object) -> RerankResult:
        return self.result

    async def arerank(self, *_: object, **__: object) -> RerankResult:
        return self.result


def microseconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call."""
    for _ in range(repeats // 10):
        call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def costs(repeats: int) -> dict[str, float]:
    """Microseconds a call of 100 documents."""
    import httpx2  # noqa: PLC0415 - the bare client under ours

    server, found = AnswersAtOnce(), {}
    body = orjson.dumps({"query": QUERY, "documents": DOCUMENTS, "return_documents": False})
    with httpx2.Client() as bare, Reranker(base_url=server.url) as reranker:
        post = lambda: bare.post(f"{server.url}/rerank", content=body).json()  # noqa: E731
        # In turns, since the machine's speed drifts.
        pairs = [
            (microseconds(post, repeats // 5), microseconds(lambda: reranker.rerank(QUERY, DOCUMENTS), repeats // 5))
            for _ in range(5)
        ]
    found["httpx2 alone, body encoded beforehand"] = statistics.median(pair[0] for pair in pairs)
    found["Reranker"] = statistics.median(pair[1] for pair in pairs)
    found["Reranker, beyond httpx2"] = statistics.median(ours - theirs for theirs, ours in pairs)
    breaker = CircuitBreaker()
    found["of which the breaker"] = microseconds(lambda: breaker.succeeded(breaker.enter()), repeats * 20)
    return found | {name: microseconds(call, repeats) for name, call in framework_calls()}


def framework_calls() -> Iterator[tuple[str, Callable[[], object]]]:
    """The packages that are installed here, each over a client that answers at once."""
    if find_spec("langchain_bentorank"):
        from langchain_bentorank import BentoRerank  # noqa: PLC0415 - optional
        from langchain_core.documents import Document  # noqa: PLC0415

        documents = [Document(text, metadata={"page": 1}) for text in DOCUMENTS]
        langchain = BentoRerank(client=AnswersHere())
        yield "langchain-bentorank alone", lambda: langchain.compress_documents(documents, QUERY)
    if find_spec("llama_index"):
        from llama_index.core.schema import NodeWithScore, TextNode  # noqa: PLC0415
        from llama_index.postprocessor.bentorank import BentoRerank as Postprocessor  # noqa: PLC0415

        nodes = [NodeWithScore(node=TextNode(text=text, metadata={"page": 1})) for text in DOCUMENTS]
        postprocessor = Postprocessor(client=AnswersHere())
        yield (
            "llama-index-postprocessor-bentorank alone",
            lambda: postprocessor.postprocess_nodes(nodes, query_str=QUERY),
        )
    if find_spec("haystack"):
        from haystack import Document as HaystackDocument  # noqa: PLC0415
        from haystack_integrations.components.rankers.bentorank import BentoRanker  # noqa: PLC0415

        haystack_documents = [HaystackDocument(content=text, meta={"page": 1}) for text in DOCUMENTS]
        ranker = BentoRanker(client=AnswersHere())
        yield "bentorank-haystack alone", lambda: ranker.run(query=QUERY, documents=haystack_documents)


class Service:
    """`bentorank serve` with the fake engine on a port that stays the same over restarts."""

    def __init__(self, delay_ms: float) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {
            **FRESH_SCORES,
            "BENTORANK_ENGINE": "fake",
            "BENTORANK_FAKE_BATCH_DELAY_MS": str(delay_ms),
            "BENTORANK_PORT": str(self.port),
            "BENTORANK_MAX_BATCH_TOKENS": "1000000",
            "BENTORANK_LOG_LEVEL": "error",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it takes requests."""
        command = [str(Path(sys.executable).with_name("bentorank")), "serve"]
        self._process = subprocess.Popen(
            command,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until_ready(f"{self.url}/readyz", self._process, READY_TIMEOUT_S)

    def kill(self) -> None:
        """`kill -9`, supervisor and workers."""
        assert self._process is not None, "bug: not started"
        supervisor = psutil.Process(self._process.pid)
        for process in [supervisor, *supervisor.children(recursive=True)]:
            process.kill()
        self._process.wait()

    def stop(self) -> None:
        """An ordinary end."""
        if self._process is not None:
            stop_session(self._process)


async def together(url: str, count: int) -> float:
    """Seconds for `count` concurrent calls of ten documents."""
    async with AsyncReranker(base_url=url) as reranker:
        await reranker.rerank(QUERY, DOCUMENTS[:10])
        started = time.monotonic()
        await asyncio.gather(*(reranker.rerank(QUERY, DOCUMENTS[:10]) for _ in range(count)))
        return time.monotonic() - started


def killed(services: list[Service], calls: int, **options: Any) -> Counter[str]:  # noqa: ANN401 - ClientOptions
    """Outcomes of calls, eight at a time, while the first service is killed and started again."""
    victim = services[0]
    time.sleep(breaker_of(victim.url).open_for_s)  # what an earlier scenario has left
    arguments: ClientArguments = {"base_url": [service.url for service in services], **options}
    with Reranker(**arguments) as reranker, ThreadPoolExecutor(9) as threads:

        def call(_: int) -> str:
            try:
                return "degraded, and marked" if reranker.rerank(QUERY, DOCUMENTS[:10]).degraded else "reranked"
            except RerankError as error:
                return f"error: {type(error).__name__}"
            finally:
                time.sleep(PAUSE_S)

        def accident() -> None:
            time.sleep(1.0)
            victim.kill()
            victim.start()

        restarting = threads.submit(accident)
        outcomes = Counter(threads.map(call, range(calls)))
        restarting.result()
    return outcomes


def outage(seconds: float, callers: int) -> dict[str, float]:
    """What reaches a service that answers 503, of the calls of so many callers who never give up."""
    server, ended = AnswersAtOnce(), time.monotonic() + seconds
    server.status = 503
    with Reranker(base_url=server.url) as reranker, ThreadPoolExecutor(callers) as threads:

        def caller(_: int) -> int:
            calls = 0
            while time.monotonic() < ended:
                calls += 1
                with suppress(RerankError):
                    reranker.rerank(QUERY, DOCUMENTS[:1])
                time.sleep(0.1)
            return calls

        calls = sum(threads.map(caller, range(callers)))
    return {
        "calls": calls,
        "requests that reached the service": server.requests,
        "requests ÷ calls": server.requests / calls,
    }


def as_markdown(result: dict[str, Any]) -> str:
    """Tables of everything."""
    costs_table = markdown_table(
        ["100 documents", "µs a call"], [[name, f"{value:,.1f}"] for name, value in result["costs_us"].items()]
    )
    outcomes = [
        [scenario, ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))]
        for scenario, counts in result["killed"].items()
    ]
    outage_rows = [[name, f"{value:,.4g}"] for name, value in result["outage"].items()]
    return "\n\n".join(
        [
            "# Clients",
            machine_sentence(result["machine"]),
            costs_table,
            f"64 concurrent asynchronous reranks of a service that takes 200 ms a batch: {result['together_s']:.2f} s.",
            "## The service is killed and started again during the calls",
            markdown_table(["", "outcomes"], outcomes),
            "## 50 callers, and a service that answers 503 for ten seconds",
            markdown_table(["", ""], outage_rows),
        ]
    )


def main(
    *,
    repeats: Annotated[int, typer.Option(help="Calls of each kind that are timed.")] = 500,
    calls: Annotated[int, typer.Option(help="Calls around the kill.")] = 500,
    out: Path = RESULTS,
) -> None:
    """Measure costs, concurrency, a kill and an outage."""
    console.print("costs …")
    result: dict[str, Any] = {"machine": asdict(describe_machine()), "costs_us": costs(repeats)}
    slow, first, second = Service(200), Service(20), Service(20)
    try:
        console.print("64 at once …")
        slow.start()
        result["together_s"] = asyncio.run(together(slow.url, 64))
        first.start()
        second.start()
        result["killed"] = {}
        for scenario, services, options in (
            ("one service, raise", [first], {}),
            ("one service, passthrough", [first], {"on_error": "passthrough"}),
            ("two services, raise", [first, second], {}),
        ):
            console.print(f"{scenario}: killed …")
            result["killed"][scenario] = killed(services, calls, **options)
    finally:
        for service in (slow, first, second):
            service.stop()
    console.print("outage …")
    result["outage"] = outage(10.0, 50)
    write_results(out, "clients", result, as_markdown(result))
    Console().print(as_markdown(result))


if __name__ == "__main__":
    typer.run(main)
