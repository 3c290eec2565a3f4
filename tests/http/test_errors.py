"""What a wrong request is told: the status, the field, one body for all. The client checks that body on every error."""

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.contract import check_envelope
from support.server import wait_until

GOOD = {"query": "alpha", "documents": ["alpha"]}
JSON = {"content-type": "application/json"}


def refused(response, status, message):
    assert response.status_code == status, response.text
    body = check_envelope(response)
    assert body["message"].startswith(message), body
    return body


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"documents": []}, "documents: must hold at least 1 item"),
        ({"documents": None}, "documents: must be a list"),
        ({"documents": "alpha"}, "documents: must be a list"),
        ({"documents": {"0": "alpha"}}, "documents: must be a list"),
        ({"documents": ["a", {}]}, "documents[1].content: is required"),
        ({"documents": ["a", {"metadata": {}}]}, "documents[1].content: is required"),
        ({"documents": ["a", {"content": None, "text": None}]}, "documents[1].content: must be a text, not null"),
        ({"documents": ["a", {"content": 3}]}, "documents[1].content: must be a valid string"),
        ({"documents": ["a", {"text": ["a"]}]}, "documents[1].text: must be a valid string"),
        ({"documents": ["a", {"content": "a", "metadata": "id"}]}, "documents[1].metadata: must be an object"),
        ({"documents": ["a", None]}, "documents[1]: must be a text or an object with `content`"),
        ({"documents": ["a", 1]}, "documents[1]: must be a text or an object with `content`"),
        ({"documents": [["a"]]}, "documents[0]: must be a text or an object with `content`"),
        ({"query": ""}, "query: must not be blank"),
        ({"query": " \t\n\u00a0\u3000"}, "query: must not be blank"),
        ({"query": None}, "query: must be a valid string"),
        ({"query": 7}, "query: must be a valid string"),
        ({"query": ["alpha"]}, "query: must be a valid string"),
        ({"query": "word " * 300}, "the query has 300 tokens and this model reads at most 255"),
        ({"top_k": 0}, "top_k: must be greater than or equal to 1"),
        ({"top_k": -1}, "top_k: must be greater than or equal to 1"),
        ({"top_k": "3"}, "top_k: must be a valid integer"),
        ({"top_k": True}, "top_k: must be a valid integer"),
        ({"top_k": 10**30}, "top_k: must be less than or equal to 9007199254740991"),
        ({"top_k": 2.5}, "top_k: must be a valid integer"),
        ({"top_n": -1}, "top_n: must be greater than or equal to 0"),
        ({"top_k": 1, "top_n": 2}, "top_n: contradicts top_k"),
        ({"score_mode": "percent"}, "score_mode: must be 'probability', 'logit' or 'model'"),
        ({"score_mode": 1}, "score_mode: must be 'probability', 'logit' or 'model'"),
        ({"score_threshold": "0.5"}, "score_threshold: must be a valid number"),
        ({"score_threshold": False}, "score_threshold: must be a valid number"),
        ({"overflow": "explode"}, "overflow: must be 'truncate'"),
        ({"return_documents": "yes"}, "return_documents: must be a valid boolean"),
        ({"return_documents": 1}, "return_documents: must be a valid boolean"),
        ({"model": 3}, "model: must be a valid string"),
        ({"deadline_ms": 0}, "deadline_ms: must be greater than 0"),
        ({"deadline_ms": -5}, "deadline_ms: must be greater than 0"),
        ({"deadline_ms": "100"}, "deadline_ms: must be a valid number"),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_a_400_that_names_the_field(client, change, message):
    """One sentence, starting with the path of the field as the caller wrote it."""
    refused(client.post("/rerank", json={**GOOD, **change}), 400, message)


@pytest.mark.parametrize("missing", ["query", "documents"])
def test_a_missing_field_is_named(client, missing):
    """Both are required."""
    body = {name: value for name, value in GOOD.items() if name != missing}
    refused(client.post("/rerank", json=body), 400, f"{missing}: is required")


def test_further_mistakes_are_counted(client):
    """The first is named, the rest counted."""
    response = client.post("/rerank", json={"query": 3, "documents": "x", "top_k": 0})
    refused(response, 400, "query: must be a valid string (and 2 more problems)")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"query": "alpha", "documents": ["alpha"]',
        b"{'query': 'alpha'}",
        b'{"query": "alpha", "documents": ["alpha"],}',
        b'{"query": "alpha", "documents": ["alpha"], "score_threshold": NaN}',
        b'{"query": "alpha", "documents": ["alpha"], "score_threshold": -Infinity}',
        b'{"query": "alpha", "documents": ["alpha"], "score_threshold": 1e999}',
        b'{"query": "\xff\xfe", "documents": ["alpha"]}',
        b'{"query": "alpha", "documents": ["alpha"]} {}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        json.dumps(GOOD).encode("utf-16"),
        b"query=alpha&documents=alpha",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_no_json_is_a_400(client, body):
    """Malformed, non-standard or malicious: refused with a reason and a place, never with a crash."""
    response = client.post("/rerank", content=body, headers=JSON)
    refused(response, 400, "the body is not valid JSON: ")
    assert response.json()["code"] == "malformed_body"


@pytest.mark.parametrize("body", ["[]", "[1]", '"text"', "3", "true", "null"])
def test_json_that_is_no_object_is_a_400(client, body):
    """A list or a scalar has no fields."""
    refused(client.post("/rerank", content=body, headers=JSON), 400, "the body must be a JSON object")


def test_a_body_nests_to_a_limit(client):
    """Deep JSON could be read but not written: it is refused before any work."""

    def rerank(levels):
        metadata = {"a": json.loads("[" * (levels - 1) + "]" * (levels - 1))}
        return client.rerank("alpha", [{"content": "alpha", "metadata": metadata}])

    # The body, the list and the document are three levels more.
    assert rerank(61).status_code == 200
    for levels in (62, 300, 900):
        refused(rerank(levels), 400, "documents: nested deeper than the limit of 64 levels")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", None]
)
def test_a_body_that_is_not_declared_as_json_is_a_415(client, content_type):
    """Wrong or missing: the message says what is wanted, and does not repeat what came."""
    headers = {} if content_type is None else {"content-type": content_type}
    response = client.post("/rerank", content=json.dumps(GOOD), headers=headers)
    assert refused(response, 415, "Content-Type")["message"] == "Content-Type: must be application/json"


@pytest.mark.parametrize("path", ["/rerank", "/rerank/batch"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_a_compressed_body_is_a_415(client, path, encoding):
    """Nothing unpacks it, so there is no bomb to fear; the message says so."""
    headers = {**JSON, "content-encoding": encoding}
    response = client.post(path, content=gzip.compress(json.dumps(GOOD).encode()), headers=headers)
    body = refused(response, 415, "Content-Encoding")
    assert body["message"] == "Content-Encoding: compressed bodies are not read"


def test_identity_is_no_compression(client):
    """Some proxies write it."""
    response = client.post("/rerank", json=GOOD, headers={"content-encoding": "identity"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "path", ["/nowhere", "/nowhere/rerank", "/rerank/batch/x", "/RERANK", "/bentoml", "/docs-assets"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_a_404(client, path, method):
    """With the same body as every other error."""
    assert refused(client.request(method, path), 404, "no such route")["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/rerank", "POST, OPTIONS"),
        ("PUT", "/rerank/batch", "POST, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_one(client, method, path, allowed):
    """`Allow` lists what the route takes."""
    response = client.request(method, path)
    refused(response, 405, "this route does not take this method")
    assert response.headers["allow"] == allowed


def test_a_poisoned_document_is_named_and_harms_no_other_request(client):
    """A document that the model fails on is a 500 that names it, at once; the next request is as good as ever."""
    before = client.rerank().json()["results"]
    response = client.rerank("alpha", ["alpha", "beta [[poison]]", "gamma", "[[poison]]"])
    body = refused(response, 500, "documents[1], documents[3]: the engine failed on this pair")
    assert body["code"] == "scoring_failed"
    assert client.rerank().json()["results"] == before


def test_a_document_that_scores_nan_is_named(client):
    """NaN is no score, and no JSON either."""
    response = client.rerank("alpha", ["alpha", "beta [[nan]]"])
    body = refused(response, 500, "documents[1]: the model returned a score that is not a finite number")
    assert body["code"] == "non_finite_score"


def test_running_out_of_memory_fails_only_the_document_that_never_fits(client):
    """The batch is halved until what fits is scored."""
    refused(client.rerank("alpha", ["alpha", "beta", "[[oom]]"]), 500, "documents[2]: ")
    assert client.rerank().status_code == 200


def test_failures_of_the_model_do_not_make_the_service_unready_for_ever(client):
    """After a run of failed batches /readyz tries the device itself and finds it well."""
    for _ in range(8):
        assert client.rerank("alpha", ["[[poison]]"]).status_code == 500
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert client.get("/health").status_code == 200


def test_bentomls_own_route_has_our_errors(client):
    """The typed route is BentoML's, its errors are ours."""
    url = "/bentoml/score"
    wrong = client.post(url, json={"pairs": [{"query": "a", "passage": "b"}, {"query": 3, "passage": "b"}]})
    refused(wrong, 400, "pairs[1].query: must be a valid string")
    check_envelope(client.post(url, content=b'{"pairs": [', headers=JSON))
    check_envelope(client.post(url, json={}))
    check_envelope(client.get(url))


def talk(server, request):
    """What the server answers to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


@pytest.mark.parametrize(
    "head",
    [
        "POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n{}",
        "POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        "POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999\r\n\r\n{}",
        "BREW /pot HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=lambda head: head[:70],
)
def test_broken_http_is_refused_and_the_next_caller_served(service, client, head):
    """The HTTP parser answers these itself, in plain text, and hangs up."""
    answer = talk(service, head.encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 4"), answer
    assert client.rerank().status_code == 200


def test_a_body_shorter_than_declared_is_no_failure_of_ours(service, client):
    """A caller that hangs up in the middle of its body leaves no error behind."""
    seen = logged_errors(service, client)
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(
            b"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
    assert logged_errors(service, client) == seen


def logged_errors(service, client):
    """How many there are, once the log has come as far as an answer of now."""
    answer = client.rerank()
    assert answer.status_code == 200
    wait_until(lambda: answer.headers["x-request-id"] in service.log, within_s=10)
    return service.log.count(" ERROR ")


def test_a_body_longer_than_declared_is_cut_where_it_said(service):
    """The surplus is no part of the body; as a next request it makes no sense."""
    body = json.dumps(GOOD).encode()
    head = b"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    answer = talk(service, head + body + b'{"surplus": true}\r\n\r\n')
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))


def test_many_callers_at_once_get_their_own_answers(service):
    """Nothing of one request shows in another's answer, under concurrency and among failing neighbours."""

    def ask(i):
        poisoned = i % 10 == 9
        documents = [f"none {i}", f"word{i} {i}", f"else {i}{' [[poison]]' if poisoned else ''}"]
        response = http.post("/rerank", json={"query": f"word{i}", "documents": documents})
        if poisoned:
            return response.status_code == 500 and response.json()["message"].startswith("documents[2]: ")
        best = response.json()["results"][0]
        return best["content"] == documents[1]

    with httpx2.Client(base_url=service.url, timeout=30) as http, ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(100)))
