"""Requests that have nothing in common, to see whether each leaves something in the metrics."""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from typing import TYPE_CHECKING

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from support.keys import KEY
from support.metrics import REPORTED_WITHIN_S

if TYPE_CHECKING:
    from support.server import Server

# Fewer than a connection may have waiting, so that both sides stay busy.
PIPELINED = 25
WARM_UP_CONNECTIONS = 8
METHODS = ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND", "SEARCH", "REPORT", "PURGE"]
KINDS = ("path", "method", "query string", "model", "model in a path", "key", "header", "endpoint of BentoML")


def message(kind: str, chance: random.Random) -> bytes:
    """One request of that kind, with a word in it that no other has."""
    word, key = f"{chance.getrandbits(60):015x}", KEY
    method, path, headers, body = "GET", "/health", "", b""
    if kind == "path":
        path = f"/{word}/{word[::-1]}"
    elif kind == "method":
        method, path = chance.choice(METHODS), chance.choice(["/health", "/rerank", f"/{word}"])
    elif kind == "query string":
        path = f"/health?{word}={word}"
    elif kind == "model":
        method, path = "POST", "/v1/rerank"
        body = json.dumps({"model": word, "query": "a", "documents": ["b"]}).encode()
    elif kind == "model in a path":
        path = f"/v1/models/{word}"
    elif kind == "key":
        path, key = "/info", word
    elif kind == "header":
        headers = f"x-{word}: {word}\r\nx-request-id: {word}\r\nuser-agent: {word}\r\n"
    else:
        path = chance.choice(["/metrics/", "/livez/", "/schema.json/", "/docs-assets/", "/bentoml/score/"]) + word
    head = f"{method} {path} HTTP/1.1\r\nhost: {word}\r\nx-api-key: {key}\r\ncontent-length: {len(body)}\r\n{headers}"
    return f"{head}content-type: application/json\r\n\r\n".encode() + body


def send_all(port: int, requests: list[bytes]) -> None:
    """On one connection; fails unless each is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for start in range(0, len(requests), PIPELINED):
            part = requests[start : start + PIPELINED]
            connection.sendall(b"".join(part))
            received = b""
            while received.count(b"HTTP/1.1 ") < len(part):
                piece = connection.recv(1 << 20)
                assert piece, received[-500:]
                received += piece


def series(server: Server) -> set[object]:
    """What is on the page, once the service has reported."""
    time.sleep(REPORTED_WITHIN_S)
    text = httpx2.get(f"{server.url}/metrics", headers={"x-api-key": KEY}).text
    families = text_string_to_metric_families(text)
    return {(sample.name, frozenset(sample.labels.items())) for family in families for sample in family.samples}


def series_before_and_after(server: Server, requests: int, seed: str) -> tuple[set[object], set[object]]:
    """What is on the page of metrics, before and after so many requests."""
    chance = random.Random(seed)
    messages = [message(kind, chance) for kind, _ in zip(itertools.cycle(KINDS), range(requests), strict=False)]
    # Every kind of answer, so that its series exists; by several connections, so that it does for each worker.
    for _ in range(WARM_UP_CONNECTIONS):
        send_all(server.port, messages[: 20 * len(KINDS)])
    before = series(server)
    send_all(server.port, messages)
    return before, series(server)
