"""Queries, documents and metadata are nobody's business: not the log's, not the metrics', not an error's."""

import json
import socket
import uuid

import httpx2
import pytest
from support.metrics import Scrape
from support.server import wait_until

JSON = {"content-type": "application/json"}
CANARY = f"canary{uuid.uuid4().hex}"
# Wherever a proxy, a browser or a framework puts something of its own; in forms that their readers refuse.
FREE_HEADERS = {
    **dict.fromkeys(("x-api-key", "cookie", "referer", "origin", "user-agent", "host", "forwarded", "x-own"), CANARY),
    "authorization": f"Bearer {CANARY}",
    "traceparent": f"00-{CANARY}",
    "tracestate": f"{CANARY.upper()}=1",
    "baggage": f"{CANARY} {CANARY}",
    "grpc-timeout": CANARY,
    "x-request-id": f"{CANARY} {CANARY}",
    "accept": CANARY,
}


def bodies():
    """Ways to send a text that is nobody's business, right and wrong: (path, body)."""
    good = {"query": CANARY, "documents": [CANARY, {"content": CANARY, "metadata": {CANARY: CANARY}}]}
    yield "/rerank", good
    yield "/rerank/batch", {"requests": [good]}
    for change in (
        {"documents": CANARY},
        {"documents": [CANARY, {CANARY: CANARY}]},
        {"documents": [[CANARY]]},
        {"documents": [{"content": CANARY, "metadata": CANARY}]},
        {"documents": [{"content": [CANARY]}]},
        {"query": [CANARY]},
        {"query": f"{CANARY} " * 300},
        {"query": CANARY * 300},
        {"documents": [CANARY * 8000]},
        {"documents": [f"{CANARY} [[poison]]"]},
        {"documents": [f"{CANARY} [[nan]]"]},
        {"documents": [f"{CANARY} [[oom]]"]},
        {"top_k": CANARY},
        {"score_mode": CANARY},
        {"overflow": CANARY},
        {"deadline_ms": CANARY},
        {"deadline_ms": 0.0001},
        {CANARY: CANARY, "top_k": 0},
    ):
        yield "/rerank", {**good, **change}
        yield "/rerank/batch", {"requests": [{**good, **change}]}
    yield "/rerank/batch", {"requests": CANARY}
    yield "/rerank/batch", {"requests": [CANARY]}
    yield "/bentoml/score", {"pairs": [{"query": CANARY, "passage": CANARY}, {"query": 3, "passage": CANARY}]}
    yield "/bentoml/score", {"pairs": [{"query": CANARY, "passage": f"{CANARY} [[poison]]"}]}
    yield "/bentoml/score", {"pairs": [{"query": CANARY * 300, "passage": CANARY}]}
    yield "/bentoml/score", {"pairs": [{"query": f"{CANARY} " * 200, "passage": CANARY}]}
    yield "/bentoml/score", {"pairs": CANARY}
    yield "/bentoml/score", {CANARY: CANARY}


def garbled():
    """Bodies that are not even JSON."""
    text = json.dumps({"query": CANARY, "documents": [CANARY]})
    yield text[:-5]
    yield f'"{CANARY}"'
    yield CANARY
    yield text.replace('"documents"', "documents")
    yield text.encode() + b"\xff"
    yield f'{{"query": "{CANARY}\\ud800"}}'


@pytest.fixture(scope="module")
def answers(service):
    """What the server said to all of them."""
    with httpx2.Client(base_url=service.url, timeout=60) as http:
        said = [http.post(path, json=body) for path, body in bodies()]
        said += [
            http.post(path, content=body, headers=JSON)
            for path in ("/rerank", "/rerank/batch", "/bentoml/score")
            for body in garbled()
        ]
        said += [
            http.post(f"/{CANARY}", json={}),
            *(
                http.get(path, headers=FREE_HEADERS)
                for path in ("/health", "/info", f"/{CANARY}", f"/?{CANARY}={CANARY}")
            ),
            *(http.post(path, json={}, headers=FREE_HEADERS) for path in ("/rerank", "/v2/rerank", "/bentoml/score")),
            http.post("/rerank", json={"query": "a", "documents": ["b"], "model": CANARY, "deadline_ms": 0.0001}),
            http.get(f"/v1/models/{CANARY}/{CANARY}/{CANARY}"),
            http.post(f"/v1/retrieval/{CANARY}/reranking", json={}),
            http.request(CANARY.upper()[:20], "/rerank"),
            http.get("/rerank", params={"query": CANARY}),
            http.post("/rerank", content=CANARY, headers={"content-type": "text/plain"}),
            http.post("/rerank", json={}, headers={"x-request-timeout": CANARY}),
            http.post("/rerank", json={}, headers={"x-request-id": f"{CANARY} {CANARY}"}),
        ]
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(f"{CANARY} / HTTP/1.1\r\n\r\n{CANARY}".encode())
        connection.recv(1000)
    return said


def test_errors_do_not_quote_the_request(answers):
    """The caller knows what it sent; whoever logs the error must not learn it."""
    errors = [answer for answer in answers if answer.status_code >= 400]
    assert len(errors) > 40
    for error in errors:
        assert CANARY not in error.text
        assert CANARY not in str(error.headers)


@pytest.mark.usefixtures("answers")
def test_the_log_does_not_quote_the_request(service, client):
    """With every log line on that there is, and every error path taken."""
    marker = f"after-all-{uuid.uuid4().hex}"
    client.get("/info", headers={"x-request-id": marker})
    wait_until(lambda: marker in service.log, within_s=10)
    lines = [line for line in service.log.splitlines() if CANARY in line.lower()]
    assert lines == []
    assert "method=POST route=(unknown) status=404" in service.log


@pytest.mark.usefixtures("answers")
def test_metrics_do_not_quote_the_request(service):
    """Labels come from closed sets."""
    assert CANARY not in Scrape(service.url).text.lower()
