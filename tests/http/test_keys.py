"""API keys: every path that does work or tells of it is behind them; probes are not; files of keys rotate."""

from __future__ import annotations

import socket
import time

import httpx2
import pytest
from support.contract import check_envelope
from support.keys import FILE_KEY, KEY, SECOND_KEY
from support.server import running_server, wait_until

RERANK = {"query": "alpha", "documents": ["alpha"]}

GUARDED = [
    ("POST", "/rerank", RERANK),
    ("POST", "/rerank", {"query": "alpha", "texts": ["alpha"]}),
    ("POST", "/rerank/batch", {"requests": [RERANK]}),
    ("POST", "/v1/rerank", RERANK),
    ("POST", "/v2/rerank", RERANK),
    ("POST", "/api/rerank", RERANK),
    ("POST", "/reranking", RERANK),
    ("POST", "/v1/reranking", {"query": "alpha", "input": ["alpha"]}),
    ("POST", "/v1/ranking", {"query": {"text": "alpha"}, "passages": [{"text": "alpha"}]}),
    ("POST", "/v1/retrieval/fake/reranking", {"query": {"text": "alpha"}, "passages": [{"text": "alpha"}]}),
    ("POST", "/infinity/rerank", RERANK),
    ("POST", "/score", {"text_1": "alpha", "text_2": "alpha"}),
    ("POST", "/v1/score", {"text_1": "alpha", "text_2": "alpha"}),
    ("POST", "/bentoml/score", {"pairs": [{"query": "alpha", "passage": "alpha"}]}),
    ("GET", "/info", None),
    ("GET", "/v1/models", None),
    ("GET", "/models", None),
    ("GET", "/infinity/models", None),
    ("GET", "/v1/models/served", None),
    ("GET", "/schema.json", None),
    ("GET", "/metrics", None),
]
PUBLIC = ["/", "/health", "/livez", "/readyz", "/healthz", "/ping", "/infinity/health", "/docs", "/openapi.json"]
PUBLIC += ["/v1/health/live", "/v1/health/ready", "/v1/cluster/auth", "/docs-assets/swagger-ui.css"]
PUBLIC += ["/playground", "/playground-assets/main.js"]


@pytest.mark.parametrize(
    ("method", "path", "body"), GUARDED, ids=[f"{path}-{i}" for i, (_, path, _) in enumerate(GUARDED)]
)
def test_guarded(guarded_client, method, path, body):
    """401 without a key and with a wrong one, in our own words; with a good one the answer."""
    for headers in ({"authorization": ""}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {KEY}x"}):
        refused = guarded_client.request(method, path, json=body, headers=headers)
        assert refused.status_code == 401, path
        assert check_envelope(refused)["code"] == "unauthorized"
        assert refused.headers["www-authenticate"] == "Bearer"
    assert guarded_client.request(method, path, json=body).status_code == 200


@pytest.mark.parametrize("path", PUBLIC)
def test_public(guarded_client, path):
    """Probes, what the service is, and its documentation need no key."""
    assert guarded_client.get(path, headers={"authorization": ""}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {SECOND_KEY}"},
        {"authorization": FILE_KEY},
        {"x-api-key": KEY},
        {"api-key": FILE_KEY},
        {"authorization": "Bearer of-a-gateway", "x-api-key": KEY},
    ],
)
def test_every_header_that_clients_use(guarded_client, headers):
    """With or without the word Bearer; one good key is enough."""
    answer = guarded_client.post("/rerank", json=RERANK, headers={"authorization": "", **headers})
    assert answer.status_code == 200


def test_an_unauthorized_body_is_not_read(guarded_service):
    """Ten megabytes from nobody: refused before they come, and the connection closes."""
    head = "POST /rerank HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 10000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", guarded_service.port), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer


def test_the_document_says_that_keys_are_needed(guarded_client, client):
    """Where they are, and on what."""
    document = guarded_client.document
    assert set(document["components"]["securitySchemes"]) == {"bearer", "x-api-key", "api-key"}
    assert "security" in document["paths"]["/rerank"]["post"]
    assert "security" not in document["paths"]["/health"]["get"]
    assert "securitySchemes" not in client.document["components"]
    assert guarded_client.get("/v1/cluster/auth").json() == {"auth": True}
    assert client.get("/v1/cluster/auth").json() == {"auth": False}


def test_keys_are_nowhere_to_be_read(guarded_client, guarded_service):
    """Neither good nor wrong ones: not in the log, the metrics, or an answer."""
    refused = guarded_client.post("/rerank", json=RERANK, headers={"authorization": "Bearer a-wrong-secret"})
    texts = [guarded_service.log, guarded_client.get("/metrics").text, refused.text, guarded_client.get("/").text]
    for text in texts:
        for key in (KEY, SECOND_KEY, FILE_KEY, "a-wrong-secret"):
            assert key not in text


def test_keys_rotate_without_a_restart(tmp_path):
    """A new file brings new keys and ends old ones; a file that is gone or empty changes nothing."""
    file = tmp_path / "keys"
    file.write_text("# since May\nold-key-000\n\n")
    with running_server(tmp_path / "server", engine="fake", api_keys_file=file) as server:

        def status(key):
            return httpx2.get(f"{server.url}/info", headers={"x-api-key": key}).status_code

        assert (status("old-key-000"), status("new-key-000")) == (200, 401)
        file.write_text("new-key-000\nold-key-000\n")
        wait_until(lambda: status("new-key-000") == 200, within_s=10)
        assert status("old-key-000") == 200
        replacement = tmp_path / "replacement"
        replacement.write_text("new-key-000\n")
        replacement.replace(file)
        wait_until(lambda: status("old-key-000") == 401, within_s=10)
        for break_it in (lambda: file.write_text("# none\n"), file.unlink):
            break_it()
            time.sleep(1.2)
            assert (status("new-key-000"), status("old-key-000")) == (200, 401)
        assert "has no key in it; the keys stay as they were" in server.log
        assert "new-key-000" not in server.log
