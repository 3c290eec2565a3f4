"""Spans reach a collector, and tell nothing of what was asked."""

import time
import uuid

import httpx2
import pytest
from support.collector import Collector
from support.server import BIN, running_server, wait_until

pytestmark = pytest.mark.process

CANARY = f"canary{uuid.uuid4().hex}"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """What a collector received, and what the log says, after requests full of what is nobody's business."""
    headers = dict.fromkeys(("user-agent", "host", "cookie", "x-own", "referer", "x-forwarded-for", "baggage"), CANARY)
    headers |= {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": f"{CANARY.upper()}=1"}
    body = {"query": CANARY, "documents": [CANARY, {"content": f"{CANARY} [[poison]]", "metadata": {CANARY: CANARY}}]}
    with Collector() as collector:
        variables = ["OTEL_BSP_SCHEDULE_DELAY=100", f"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={collector.url}"]
        command = ["env", "-u", "OTEL_SDK_DISABLED", *variables, str(BIN / "bentorank"), "serve"]
        settings = {"engine": "fake", "tracing": True, "log_level": "debug", "access_log": True}
        with (
            running_server(tmp_path_factory.mktemp("traced"), command, api_keys="a-good-key", **settings) as server,
            httpx2.Client(base_url=server.url, headers=headers, timeout=30) as client,
        ):
            for key in (CANARY, "a-good-key"):
                keyed = {"x-api-key": key}
                for path in ("/rerank", "/v1/rerank", f"/v1/retrieval/{CANARY}/reranking", f"/{CANARY}"):
                    client.post(f"{path}?{CANARY}={CANARY}", json={**body, "model": CANARY}, headers=keyed)
                client.get(f"/v1/models/{CANARY}", headers=keyed)
                client.post("/bentoml/score", json={"pairs": [{"query": CANARY, "passage": CANARY}]}, headers=keyed)
            wait_until(lambda: b"bentoml/score" in b"".join(collector.received), within_s=10)
            time.sleep(0.5)  # for the rest
            log = server.log
    return b"".join(collector.received), log


def test_spans_reach_the_collector_that_opentelemetrys_variables_name(traced):
    """As children of the caller's span."""
    spans, _ = traced
    assert b"/rerank" in spans
    assert bytes.fromhex(TRACE) in spans


def test_spans_and_log_tell_nothing_of_the_request(traced):
    """Not its text, its query string, its headers or its key; nor does the log of tracing itself."""
    spans, log = traced
    found = spans.lower().partition(CANARY.encode())
    assert not found[1], found[0][-100:]
    assert CANARY not in log.lower()
