"""What operators and tools read: GET /, /health, probes, /metrics, /docs, /openapi.json."""

import socket
import time
from datetime import UTC, datetime

import pytest
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator
from support.metrics import Scrape, settled_scrape
from support.server import wait_until

from bentorank import __version__

METRICS = {
    "rerank_requests_total",
    "rerank_request_duration_seconds_count",
    "rerank_active_requests",
    "rerank_document_count_count",
    "rerank_queue_tokens",
    "rerank_batch_tokens_count",
    "rerank_padding_ratio_count",
    "rerank_tokens_total",
    "rerank_tokens_per_second",
}


def test_the_root_says_what_the_service_is(client):
    """Model, device and endpoints: what a person asks first."""
    about = client.get("/").json()
    assert about["name"] == "bentorank"
    assert about["version"] == __version__
    assert (about["model"], about["engine"], about["device"], about["max_tokens"]) == ("fake", "fake", "cpu", 512)


def test_every_endpoint_that_the_root_lists_answers(client):
    """The list is true: no 404, no 405."""
    for endpoint in client.get("/").json()["endpoints"]:
        method, _, path = endpoint.partition(" ")
        assert client.request(method, path).status_code not in {404, 405, 500}, endpoint


def test_health(client):
    """Healthy, loaded, and the clock is right."""
    body = client.get("/health").json()
    assert body["status"] == "healthy"
    assert body["model_loaded"] is True
    timestamp = datetime.fromisoformat(body["timestamp"])
    assert abs((datetime.now(UTC) - timestamp).total_seconds()) < 60


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_probes(client, path):
    """Kubernetes asks these."""
    assert client.get(path).status_code == 200


def test_every_metric_is_there_after_one_request(client, service):
    """The dashboard's names."""
    client.rerank()
    assert settled_scrape(service.url).names >= METRICS


def test_a_request_moves_its_metrics(client, service):
    """Each by what the request was: one request, three documents, their tokens, one batch, its padding."""
    before = settled_scrape(service.url)
    answer = client.rerank("alpha beta", ["a", "a b", "a b c d"]).json()
    after = settled_scrape(service.url)

    def moved(name, **labels):
        return after(name, **labels) - before(name, **labels)

    tokens = answer["usage"]["total_tokens"]
    assert tokens == 3 * 3 + 1 + 2 + 4
    assert moved("rerank_requests_total", status="200") == 1
    assert moved("rerank_request_duration_seconds_count") == 1
    assert moved("rerank_request_duration_seconds_sum") >= answer["latency_ms"] / 1e3
    assert moved("rerank_document_count_count") == 1
    assert moved("rerank_document_count_sum") == 3
    assert moved("rerank_tokens_total") == tokens
    assert moved("rerank_batch_tokens_sum") == tokens
    assert moved("rerank_batch_tokens_count") == 1
    assert moved("rerank_batch_pairs_sum") == 3
    assert moved("rerank_padding_ratio_sum") == pytest.approx(1 - tokens / (3 * 7))
    assert after("rerank_tokens_per_second") > 0
    assert after("rerank_queue_tokens") == 0
    assert after("rerank_active_requests") == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": "", "documents": ["a"]}, "400"),
        ({"query": "a", "documents": ["b"] * 1001}, "413"),
        ({"query": "a", "documents": ["[[poison]]"]}, "500"),
        ({"query": "a", "documents": ["b"], "deadline_ms": 0.0001}, "504"),
    ],
)
@pytest.mark.parametrize("path", ["/rerank", "/rerank/batch"])
def test_an_error_is_counted_under_its_status(client, service, path, body, status):
    """So that an error rate can be drawn."""
    before = Scrape(service.url)
    answered = client.post(path, json=body if path == "/rerank" else {"requests": [body]})
    assert str(answered.status_code) == status
    after = Scrape(service.url)
    assert after("rerank_requests_total", status=status) - before("rerank_requests_total", status=status) == 1
    assert after("rerank_requests_total") - before("rerank_requests_total") == 1
    assert after("rerank_request_duration_seconds_count") - before("rerank_request_duration_seconds_count") == 1


def test_failed_and_truncated_documents_are_counted(client, service):
    """Two counters of their own."""
    before = settled_scrape(service.url)
    client.rerank("alpha", ["alpha", "[[poison]]"])
    client.rerank("alpha", ["word " * 600, "short"])
    after = settled_scrape(service.url)
    assert after("rerank_failed_pairs_total") - before("rerank_failed_pairs_total") == 1
    assert after("rerank_truncated_documents_total") - before("rerank_truncated_documents_total") == 1


def test_scores_for_bentoml_clients_count_as_tokens_too(client, service):
    """Whoever asks, the device worked: the counters follow within seconds."""
    before = settled_scrape(service.url)("rerank_tokens_total")
    assert client.post("/bentoml/score", json={"pairs": [{"query": "a b", "passage": "c"}]}).status_code == 200
    wait_until(lambda: Scrape(service.url)("rerank_tokens_total") == before + 4, within_s=10)


def test_unknown_paths_and_methods_make_no_series(client, service):
    """Whoever asks for random paths cannot fill the memory of Prometheus."""
    for path in ("/", "/health", "/metrics", "/rerank"):
        client.get(path)
    before = Scrape(service.url).series
    for i in range(20):
        client.get(f"/random/{i}")
        client.post(f"/rerank/{i}", json={})
        client.get(f"/rerank?query={i}")
        client.get(f"/docs-assets/{i}.js")
    assert Scrape(service.url).series == before


def test_unknown_websocket_paths_make_no_series(service):
    """Nothing here speaks WebSocket, so an upgrade is an unknown path like any other."""
    before = Scrape(service.url).series
    for i in range(3):
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(
                b"GET /random-socket/%d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % i
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 404 ")
    assert Scrape(service.url).series == before


def test_the_docs_page_needs_no_other_host(client):
    """Its scripts and styles come from this service, so it works without a network."""
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"/docs-assets/{asset}" in page.text
        assert client.get(f"/docs-assets/{asset}").status_code == 200
    assert "/openapi.json" in page.text


def test_the_openapi_document_is_valid(client):
    """By its own metamodel; every schema in it is a JSON schema and every reference leads somewhere."""
    document = client.document
    OpenAPI.model_validate(document)
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference


def test_the_openapi_document_covers_every_own_endpoint(client):
    """What the root lists is documented, but for what BentoML serves itself."""
    documented = {f"{method.upper()} {path}" for path, item in client.document["paths"].items() for method in item}
    served_by_bentoml = {"POST /bentoml/score", "GET /livez", "GET /readyz", "GET /metrics", "GET /docs"}
    served_by_bentoml.add("GET /playground")
    assert set(client.get("/").json()["endpoints"]) - served_by_bentoml <= documented


def test_every_documented_example_works(client):
    """Whoever presses `Try it out` gets an answer, in the dialect that the example shows."""
    shown = 0
    for path, item in client.document["paths"].items():
        if "post" in item:
            for example in item["post"]["requestBody"]["content"]["application/json"]["examples"].values():
                answer = client.post(path.replace("{model_id}", "nvidia/some-model"), json=example["value"])
                assert answer.status_code == 200, (path, answer.text)
                shown += 1
    assert shown >= 15


def references(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_a_quick_request_is_quick(client):
    """The spine adds little: the best of twenty small requests takes less than 50 ms, even on a busy machine."""
    best = min(timed(client) for _ in range(20))
    assert best < 0.05


def timed(client):
    started = time.monotonic()
    client.rerank()
    return time.monotonic() - started
