"""Bodies that are cheap to send and dear to read: refused by what they hold, before anybody makes objects of it."""

import threading
import time
from pathlib import Path

import pytest
from support.contract import ContractClient, check_envelope
from support.fetching import fetch

JSON = {"content-type": "application/json"}
MIB = 1024 * 1024
BODY_BYTES = 10 * MIB - 200

# Made into objects first, each of them cost 4 to 33 s and .4 to 8 GB; now it costs a hundredth of that.
SILENT_AT_MOST_S = 2.0
GROWN_AT_MOST_MIB = 100


def filled(start, item, end):
    """`item` as often as there is room for in a body."""
    count = (BODY_BYTES - len(start) - len(end)) // (len(item) + 1)
    return start + b",".join([item] * count) + end


class Watch:
    """Asks for /livez all the time, and reads from Linux by how much the worker's memory grew at its peak."""

    def __init__(self, server):
        self._url = server.url
        self._process = Path(f"/proc/{server.worker_pids[0]}")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._probe)
        self.silent_s = 0.0

    def __enter__(self):
        (self._process / "clear_refs").write_text("5")
        self._before_mib = self._mib("VmRSS")
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self.grown_mib = self._mib("VmHWM") - self._before_mib

    def _mib(self, field):
        lines = (self._process / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024

    def _probe(self):
        while not self._done.wait(0.02):
            started = time.monotonic()
            assert fetch(f"{self._url}/livez", 60)[0] == 200
            self.silent_s = max(self.silent_s, time.monotonic() - started)


METADATA = b'{"query": "q", "documents": [{"content": "d", "metadata": {"m": '
REFUSED = {
    "numbers as documents": ("/rerank", b'{"query": "q", "documents": [', b"1", b"]}"),
    "empty texts": ("/rerank", b'{"query": "q", "documents": [', b'""', b"]}"),
    "empty requests": ("/rerank/batch", b'{"requests": [', b"{}", b"]}"),
    "a list of empty requests": ("/rerank/batch", b"[", b"{}", b"]"),
    "TEI": ("/rerank", b'{"query": "q", "texts": [', b"1", b"]}"),
    "NIM": ("/v1/ranking", b'{"query": {"text": "q"}, "passages": [', b"1", b"]}"),
    "vLLM": ("/score", b'{"text_1": "q", "text_2": [', b"1", b"]}"),
    "BentoML": ("/bentoml/score", b'{"pairs": [', b"1", b"]}"),
    "rank fields": ("/rerank", b'{"query": "q", "documents": ["d"], "rank_fields": [', b"1", b"]}"),
    "numbers in metadata": ("/rerank", METADATA + b"[", b"1", b"]}}]}"),
    "lists in metadata": ("/rerank", METADATA + b"[", b"[]", b"]}}]}"),
    "unknown fields": ("/rerank", b'{"query": "q", "documents": ["d"], ', b'"a": 1', b"}"),
}


@pytest.mark.parametrize(("path", "parts"), [(path, parts) for path, *parts in REFUSED.values()], ids=REFUSED.keys())
def test_millions_of_small_things_are_refused_at_once(service, client, path, parts):
    """413 by the count, the event loop free and the memory not filled."""
    body = filled(*parts)
    with Watch(service) as watch:
        response = client.post(path, content=iter([body]), headers=JSON)
    assert response.status_code == 413
    assert check_envelope(response)["message"] == "body: more than the limit of 250000 values, keys, lists and objects"
    assert watch.silent_s < SILENT_AT_MOST_S
    assert watch.grown_mib < GROWN_AT_MOST_MIB


@pytest.mark.parametrize("item", [b"1", b'""', b"{}", b"[]", b'{"a": 1}'])
def test_too_many_documents_are_counted_before_they_are_looked_at(client, item):
    """Below the other limit, and none of them is any good."""
    body = b'{"query": "q", "documents": [' + b",".join([item] * 60_000) + b"]}"
    response = client.post("/rerank", content=iter([body]), headers=JSON)
    assert response.status_code == 413
    assert response.json()["message"] == "documents: 60000 documents, more than the limit of 1000"


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/rerank", {"query": "q", "documents": [1] * 1001}, "documents: 1001"),
        ("/v2/rerank", {"query": "q", "documents": [1] * 1001}, "documents: 1001"),
        ("/v1/rerank", {"query": "q", "truncation": True, "documents": [1] * 1001}, "documents: 1001"),
        ("/infinity/rerank", {"query": "q", "documents": [1] * 1001}, "documents: 1001"),
        ("/rerank", {"query": "q", "texts": [1] * 1001}, "texts: 1001"),
        ("/v1/ranking", {"query": {"text": "q"}, "passages": [1] * 1001}, "passages: 1001"),
        ("/v1/reranking", {"query": "q", "input": [1] * 1001}, "input: 1001"),
        ("/score", {"queries": "q", "items": [1] * 1001}, "items: 1001"),
        ("/score", {"text_1": [1] * 1001, "text_2": "d"}, "text_1: 1001"),
        ("/bentoml/score", {"pairs": [1] * 1001}, "pairs: 1001"),
    ],
)
def test_every_dialect_counts_first(client, path, body, message):
    """Under the name that the dialect has for its documents."""
    response = client.post(path, json=body)
    assert response.status_code == 413
    assert check_envelope(response)["message"].startswith(f"{message} documents, more than the limit of 1000")


def test_a_thousand_documents_may_have_rich_metadata(client):
    """A hundred entries each, and all come back."""
    metadata = {f"field {number}": number for number in range(100)}
    documents = [{"content": f"d{number}", "metadata": metadata} for number in range(1000)]
    results = client.rerank("d7", documents).json()["results"]
    assert len(results) == 1000
    assert all(result["metadata"] == metadata for result in results)


def test_what_stands_in_texts_does_not_count(client):
    """A million commas, colons and brackets, quotes and backslashes beside them."""
    text = ',:[{"\\' * 30_000
    documents = [text] * 8
    results = client.rerank("alpha", documents, top_k=1).json()["results"]
    assert results[0]["content"] == text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_bentomls_route_takes_json_alone(client, content_type):
    """It took forms and texts; a malformed form was an internal error."""
    for body in (b'{"pairs": []}', b"pairs=1", b"--x\r\n"):
        response = client.post("/bentoml/score", content=body, headers={"content-type": content_type})
        assert response.status_code == 415
        check_envelope(response)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not valid JSON: "),
        (b"[]", "the body must be a JSON object"),
        (b"{}", "pairs: is required"),
        (b'{"pairs": 3}', "pairs: must be a list"),
        (b'{"pairs": [3]}', "pairs[0]: must be an object"),
        (b'{"pairs": [{"query": "a"}]}', "pairs[0].passage: is required"),
        (b'{"pairs": [{"query": "a", "passage": null}]}', "pairs[0].passage: must be a valid string"),
    ],
)
def test_bentomls_route_names_the_mistake(client, body, message):
    """As every other route does."""
    response = client.post("/bentoml/score", content=body, headers=JSON)
    assert response.status_code == 400
    assert check_envelope(response)["message"].startswith(message)


def test_refused_bodies_leave_no_memory_taken(fleet):
    """Their errors remember where they were raised, and with that the documents, as long as anybody holds them."""
    server = fleet("few-tokens", engine="fake", max_request_tokens=1000)
    documents = [f"{number} " + "w " * 99_000 for number in range(50)]
    with ContractClient(server.url) as client, Watch(server) as watch:
        for _ in range(12):
            refused = client.rerank("a", documents, overflow="chunk")
            assert refused.status_code == 413
    assert check_envelope(refused)["message"].startswith("documents: at least ")
    # Twelve of them would be 180 MiB; one is four times there while it is read.
    assert watch.grown_mib < GROWN_AT_MOST_MIB
