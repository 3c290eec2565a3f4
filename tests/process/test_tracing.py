"""Spans of a real service reach a collector: their tree, their times, what they tell, and what never is in them."""

import asyncio
import json
import random
import socket
import subprocess
import time
import uuid
from contextlib import ExitStack
from itertools import pairwise

import httpx2
import pytest
from bentorank_client import AsyncReranker, Reranker
from support.callers_span import callers_span
from support.collector import Collector
from support.server import BIN, REPOSITORY, Server, environment, free_port, running_server, wait_until

pytestmark = pytest.mark.process

CANARY = f"canary{uuid.uuid4().hex}"
KEY = "a-good-key"
SECRET = f"secret{uuid.uuid4().hex}"
PASS_S = 0.03
REQUEST_KEYS = {"http.request.method", "http.response.status_code", "url.scheme", "http.route", "bentorank.request.id"}
WORK_KEYS = {"gen_ai.operation.name", "gen_ai.response.model", "bentorank.documents"}
USAGE_KEYS = {
    "gen_ai.usage.input_tokens",
    "bentorank.pairs",
    "bentorank.cached_pairs",
    "bentorank.truncated_documents",
    "bentorank.unscored_documents",
    "bentorank.pruned_documents",
}


def serving(*variables):
    """The command, with variables of OpenTelemetry's."""
    return ["env", "-u", "OTEL_SDK_DISABLED", *variables, str(BIN / "bentorank"), "serve"]


class Caller:
    """Asks a service; each request is part of a trace of its own, whose id is kept with the answer."""

    def __init__(self, client):
        self.client = client
        self.parent = f"{random.getrandbits(64) | 1:016x}"

    def ask(self, path, body, flags="01", **headers):
        trace_id = uuid.uuid4().hex
        headers = {"traceparent": f"00-{trace_id}-{self.parent}-{flags}"} | headers
        return trace_id, self.client.post(path, json=body, headers=headers)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """What was asked of a service that traces nobody of its own accord, the spans that it sent as it ended, its log."""
    documents = ["alpha beta", "beta", "gamma " * 40]
    private = dict.fromkeys(("user-agent", "host", "cookie", "x-own", "referer", "x-forwarded-for", "baggage"), CANARY)
    private |= {"tracestate": f"{CANARY.upper()}=1"}
    asked = {}
    with Collector() as collector:
        command = serving(
            f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={collector.url}",
            f"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer {SECRET}",
            "OTEL_TRACES_SAMPLER_ARG=0",
            "OTEL_BSP_SCHEDULE_DELAY=600000",  # so that only the end of the service can send them
        )
        settings = {"engine": "fake", "tracing": True, "api_keys": KEY, "log_level": "debug", "access_log": True}
        settings |= {"fake_batch_delay_ms": PASS_S * 1e3, "max_batch_tokens": 64, "max_pair_tokens": 32}
        with (
            running_server(tmp_path_factory.mktemp("traced"), command, **settings) as server,
            httpx2.Client(base_url=server.url, headers={"x-api-key": KEY}, timeout=30) as client,
        ):
            ask = Caller(client).ask
            asked["rerank"] = ask("/rerank", {"query": "alpha", "documents": documents})
            asked["again"] = ask("/rerank", {"query": "alpha", "documents": documents})
            two = [{"query": f"q{number}", "documents": ["alpha", "beta"]} for number in range(2)]
            asked["batch"] = ask("/rerank/batch", two)
            asked["score"] = ask("/score", {"text_1": "alpha", "text_2": ["alpha", "beta"]})
            asked["bentoml"] = ask("/bentoml/score", {"pairs": [{"query": "alpha", "passage": "beta"}]})
            asked["poison"] = ask("/rerank", {"query": "alpha", "documents": ["beta [[poison]]"]})
            asked["late"] = ask("/rerank", {"query": "x", "documents": ["y"], "deadline_ms": 0.001})
            asked["no key"] = ask("/rerank", {"query": "x", "documents": ["y"]}, **{"x-api-key": "wrong"})
            asked["nowhere"] = ask(f"/{CANARY}", {})
            asked["left"] = leaves(server)
            asked["not sampled"] = ask("/rerank", {"query": "x", "documents": ["y"]}, flags="00")
            asked["broken"] = ask("/rerank", {"query": "x", "documents": ["y"]}, traceparent=f"00-{CANARY}-1-01")
            asked["client"] = asked_by_clients(server.url)
            for key in (CANARY, KEY):
                for path in ("/rerank", "/v1/rerank", f"/v1/retrieval/{CANARY}/reranking", "/bentoml/score"):
                    body = {"query": CANARY, "model": CANARY, "pairs": [{"query": CANARY, "passage": CANARY}]}
                    body["documents"] = [CANARY, {"content": f"{CANARY} [[poison]]", "metadata": {CANARY: CANARY}}]
                    ask(f"{path}?{CANARY}={CANARY}", body, **private, **{"x-api-key": key})
            client.get("/readyz")
            assert not collector.received
        log = server.log
    return asked, collector, log


def leaves(server):
    """The id of the trace of a caller who asks for much and hangs up."""
    trace_id = uuid.uuid4().hex
    body = json.dumps({"query": "alpha", "documents": [f"word{number}" for number in range(200)]}).encode()
    head = f"POST /rerank HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ntraceparent: 00-{trace_id}-{'1' * 16}-01\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(PASS_S)
    return trace_id


def asked_by_clients(url):
    """The ids of the spans in whose contexts a blocking client and an asynchronous one asked."""
    spans = []
    for call in (asked_blocking, asked_asynchronously):
        with callers_span() as span:
            call(url)
        spans.append(span)
    return spans


def asked_blocking(url):
    with Reranker(base_url=url, api_key=KEY, max_batch_size=2) as reranker:
        reranker.rerank("alpha", ["alpha", "beta", "gamma"])


def asked_asynchronously(url):
    async def ask():
        async with AsyncReranker(base_url=url, api_key=KEY, max_batch_size=2) as reranker:
            await reranker.rerank("alpha", ["alpha", "beta", "gamma"])

    asyncio.run(ask())


@pytest.fixture(scope="module")
def tree(asked):
    """A function: the request's span and those below it, by their parent's id."""
    _, collector, _ = asked

    def of(trace_id):
        spans = [span for span in collector.spans if span.trace == trace_id]
        (root,) = [span for span in spans if span.kind == "server"]
        below = {}
        for span in spans:
            below.setdefault(span.parent, []).append(span)
        return root, below

    return of


def test_a_request_has_its_stages_below_it(asked, tree):
    """In their order, within its time, and as long as the answer's timings say; all of them the caller's children."""
    trace_id, answer = asked[0]["rerank"]
    root, below = tree(trace_id)
    assert root.name == "POST /rerank"
    assert below.keys() == {root.parent, root.id}
    stages = below[root.id]
    assert [stage.name for stage in stages] == ["cache", "tokenize", "queue", "inference"]
    for earlier, later in pairwise(stages):
        assert root.started <= earlier.started <= earlier.ended <= later.started + 1e5
    assert stages[-1].ended <= root.ended
    timings = answer.json()["timings_ms"]
    tokenized, computed = stages[1].seconds * 1e3, stages[3].seconds * 1e3
    assert tokenized == pytest.approx(timings["tokenize"], abs=1)
    assert computed >= timings["inference"] - 1 >= PASS_S * 1e3 - 1
    assert sum(stage.seconds for stage in stages) <= root.seconds
    assert sum(stage.seconds for stage in stages) * 1e3 == pytest.approx(timings["total"], abs=20)


def test_what_a_request_and_its_stages_tell(asked, tree):
    """Sizes, and names of ours: exactly these."""
    trace_id, answer = asked[0]["rerank"]
    usage = answer.json()["usage"]
    root, below = tree(trace_id)
    assert root.attributes.keys() == REQUEST_KEYS | WORK_KEYS | USAGE_KEYS
    assert (
        root.attributes
        | {
            "http.request.method": "POST",
            "http.route": "/rerank",
            "http.response.status_code": 200,
            "url.scheme": "http",
            "bentorank.request.id": answer.headers["x-request-id"],
            "gen_ai.operation.name": "rerank",
            "gen_ai.response.model": answer.json()["model"],
            "gen_ai.usage.input_tokens": usage["total_tokens"],
            "bentorank.documents": 3,
            "bentorank.pairs": 3,
            "bentorank.cached_pairs": 0,
            "bentorank.truncated_documents": 1,
            "bentorank.unscored_documents": 0,
            "bentorank.pruned_documents": 0,
        }
        == root.attributes
    )
    cache, tokenize, queue, inference = (stage.attributes for stage in below[root.id])
    assert cache == {"bentorank.documents": 3, "bentorank.hits": 0}
    assert tokenize == {"bentorank.documents": 3}
    assert queue == {}
    assert inference["bentorank.pairs"] == 3
    assert inference["bentorank.batches"] >= 1
    assert usage["total_tokens"] <= inference["bentorank.batch_tokens"] <= inference["bentorank.padded_tokens"]
    assert (root.status, root.message) == ("unset", "")


def test_what_was_remembered_has_one_stage(asked, tree):
    """The look into the cache."""
    root, below = tree(asked[0]["again"][0])
    (stage,) = below[root.id]
    assert (stage.name, stage.attributes) == ("cache", {"bentorank.documents": 3, "bentorank.hits": 3})
    assert root.attributes["bentorank.cached_pairs"] == 3
    assert root.attributes["gen_ai.usage.input_tokens"] == 0


def test_each_request_of_a_batch_has_a_span(asked, tree):
    """With its stages below it."""
    root, below = tree(asked[0]["batch"][0])
    assert root.attributes.keys() == REQUEST_KEYS
    parts = sorted(below[root.id], key=lambda span: span.attributes["bentorank.request.index"])
    assert [part.name for part in parts] == ["rerank", "rerank"]
    for number, part in enumerate(parts):
        assert part.attributes["bentorank.request.index"] == number
        assert part.attributes.keys() == {"bentorank.request.index"} | WORK_KEYS | USAGE_KEYS
        assert {"tokenize", "queue", "inference"} <= {stage.name for stage in below[part.id]}
        assert root.started <= part.started <= part.ended <= root.ended


def test_scores_of_pairs_are_traced_too(asked, tree):
    """BentoML's own route by one span alone: its pairs are computed with those of other callers."""
    root, below = tree(asked[0]["score"][0])
    assert root.attributes["gen_ai.operation.name"] == "score"
    assert {stage.name for stage in below[root.id]} == {"cache", "tokenize", "queue", "inference"}
    root, below = tree(asked[0]["bentoml"][0])
    assert (root.name, list(below)) == ("POST /bentoml/score", [root.parent])


@pytest.mark.parametrize(
    ("name", "code", "status", "stages"),
    [
        ("poison", "scoring_failed", "error", ["cache", "tokenize", "queue", "inference"]),
        ("late", "deadline_exceeded", "error", []),
        ("no key", "unauthorized", "unset", []),
        ("nowhere", "not_found", "unset", []),
    ],
)
def test_what_fails_says_its_code(asked, tree, name, code, status, stages):  # noqa: PLR0913, PLR0917 - a row each
    """And what was done before; a mistake of the caller's is no error of the service."""
    trace_id, answer = asked[0][name]
    root, below = tree(trace_id)
    assert root.attributes["error.type"] == answer.json()["code"] == code
    assert (root.status, root.message) == (status, code if status == "error" else "")
    assert [stage.name for stage in below.get(root.id, [])] == stages
    assert ("http.route" in root.attributes) is (name != "nowhere")


def test_of_a_caller_who_left_it_says_so(asked, tree):
    """By nginx's status, which is no error of the service."""
    root, _ = tree(asked[0]["left"])
    assert root.attributes["http.response.status_code"] == 499
    assert root.attributes["error.type"] == "499"
    assert root.status == "unset"
    assert root.attributes["bentorank.documents"] == 200


def test_an_answer_names_its_span(asked, tree):
    """For a caller who has no tracing: the header `traceresponse`. The log line of the request has both ids."""
    said, _, log = asked
    trace_id, answer = said["rerank"]
    root, _ = tree(trace_id)
    assert answer.headers["traceresponse"] == f"00-{trace_id}-{root.id}-01"
    (line,) = [line for line in log.splitlines() if answer.headers["x-request-id"] in line]
    assert trace_id in line


def test_only_traces_that_their_callers_record_are_sent(asked):
    """A share of 0 sends nothing of its own accord; a traceparent that breaks a rule is as none."""
    said, collector, _ = asked
    sent = {span.trace for span in collector.spans}
    trace_id, answer = said["not sampled"]
    assert trace_id not in sent
    assert answer.headers["traceresponse"].startswith(f"00-{trace_id}-")
    assert said["broken"][1].headers["traceresponse"].split("-")[1] not in sent


def test_the_clients_hand_on_the_trace_of_their_caller(asked):
    """Blocking and asynchronous, for every part of a list that was split."""
    said, collector, _ = asked
    for trace_id, span_id in said["client"]:
        requests = [span for span in collector.spans if span.trace == trace_id and span.kind == "server"]
        assert [span.parent for span in requests] == [span_id, span_id]


def test_the_service_says_who_it_is(asked):
    """By its name, its version and an id of each process; and shows the collector the key that it wants."""
    _, collector, _ = asked
    for resource, headers in zip(collector.resources, collector.headers, strict=True):
        assert resource["service.name"] == "bentorank"
        assert {"service.version", "service.instance.id"} <= resource.keys()
        assert headers["authorization"] == f"Bearer {SECRET}"


def test_spans_and_log_tell_nothing_of_the_request(asked):
    """Not its text, its query string, its headers, its names or its key."""
    _, collector, log = asked
    found = b"".join(collector.received).lower().partition(CANARY.encode())
    assert not found[1], found[0][-100:]
    assert KEY.encode() not in b"".join(collector.received)
    assert SECRET not in log
    assert CANARY not in log.lower()


def test_a_collector_that_hangs_or_is_gone_costs_no_request(tmp_path):
    """Nor does a full queue of spans; the service ends in time, and says once what is wrong, without the key."""
    with ExitStack() as stack:
        hanging = stack.enter_context(Collector(hangs=True))
        gone = f"http://127.0.0.1:{free_port()}/v1/traces"
        servers = []
        for name, url in (("hanging", hanging.url), ("gone", gone)):
            command = serving(
                f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={url}",
                f"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer {SECRET}",
                "OTEL_BSP_SCHEDULE_DELAY=10",
                "OTEL_BSP_MAX_QUEUE_SIZE=20",
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=10",
            )
            home = tmp_path / name
            home.mkdir()
            servers.append(Server(home, command, engine="fake", tracing=True))
            stack.callback(servers[-1].kill)
        for server in servers:
            server.wait_until_ready()
            with httpx2.Client(base_url=server.url, timeout=5) as client:
                statuses = [
                    client.post("/rerank", json={"query": "q", "documents": ["a"]}).status_code for _ in range(50)
                ]
            assert statuses == [200] * 50
        wait_until(lambda: hanging.received, within_s=10)
        wait_until(lambda: "tracing: " in servers[1].log, within_s=10)
        started = time.monotonic()
        for server in servers:
            server.terminate()
        assert [server.wait() for server in servers] == [0, 0]
        assert time.monotonic() - started < 15
        for server in servers:
            assert SECRET not in server.log
            assert server.log.count("tracing: ") <= 1
            assert "Traceback" not in server.log, server.log


def test_tracing_that_would_send_nothing_ends_the_service(tmp_path):
    """In one sentence, under both commands, and without trying again."""
    cases = [
        (
            [str(BIN / "bentorank"), "serve"],
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
            "BENTORANK_TRACING needs an exporter for grpc: pip install opentelemetry-exporter-otlp-proto-grpc",
        ),
        (
            [str(BIN / "bentoml"), "serve", "bentorank.service:BentoRank"],
            "OTEL_SDK_DISABLED=true",
            "BENTORANK_TRACING is on, but OTEL_SDK_DISABLED is true: unset one of them",
        ),
    ]
    started = [
        subprocess.Popen(
            ["env", variable, *command, "--port", str(free_port())],
            env=environment(tmp_path / str(number), engine="fake", tracing=True),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, (command, variable, _) in enumerate(cases)
    ]
    try:
        ended = [process.communicate(timeout=60)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    for process, said, (_, _, sentence) in zip(started, ended, cases, strict=True):
        assert process.returncode in (1, 2), said
        assert sentence in said
        assert "Traceback" not in said
