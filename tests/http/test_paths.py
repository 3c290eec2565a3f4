"""Paths over HTTP: base URLs with too much in them, HEAD and OPTIONS, and that no spelling gets past the keys."""

import http.client
import json

import pytest
from support.metrics import Scrape

BODY = json.dumps({"query": "alpha beta", "documents": ["gamma", "alpha beta"]})
SPELLINGS = [
    "/rerank/",
    "//rerank",
    "/./rerank",
    "/%2frerank",
    "/%72erank",
    "/rerank%2F",
    "/rerank/rerank",
    "/v1/v1/rerank",
    "/v1//rerank?x=1",
    "/v2/v2/rerank/",
    "/v1/rerank/rerank",
    "/api/v1/rerank",
    "/api/v2/rerank",
    "/jina/v1/rerank",
    "/voyage/v1/rerank",
    "/vllm/score/rerank",
]
# Whatever a parser makes of them, without a key they must not be answered.
DETOURS = [
    "/health/../rerank",
    "/docs-assets/../rerank",
    "/health/..%2frerank",
    "/rerank;x",
    "/rerank%00",
    "/health%2f..%2frerank",
]
GETS = [
    "/",
    "/health",
    "/livez",
    "/readyz",
    "/metrics",
    "/info",
    "/v1/models",
    "/v1/models/any",
    "/docs",
    "/v1/health/live",
]


def raw(server, method, path, body=None, **headers):
    """Exactly this path, and what comes back: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", [path for path in SPELLINGS if "score" not in path])
def test_a_base_url_with_too_much_in_it_works(service, path):
    """Answered at once: many clients do not follow a redirect of a POST."""
    status, _, body = raw(service, "POST", path, BODY)
    assert status == 200
    answer = json.loads(body)
    assert [item["index"] for item in answer.get("results", answer.get("data"))] == [1, 0]


@pytest.mark.parametrize("path", ["/v1/models/any/", "//v1/models/org/any", "/v1/v1/models/any"])
def test_models_are_found_by_such_paths_too(service, path):
    """The name is read without what stands around it."""
    status, _, body = raw(service, "GET", path)
    assert (status, json.loads(body)["id"]) == (200, "fake")


@pytest.mark.parametrize("path", [*SPELLINGS, *DETOURS])
def test_no_spelling_gets_past_the_keys(guarded_service, path):
    """The path that is guarded is the path that is served."""
    status, _, _ = raw(guarded_service, "POST", path, BODY)
    assert status in {401, 404}
    assert path in DETOURS or "score" in path or status == 401


def test_spellings_make_no_series(service):
    """Metrics are labelled with what a path means."""
    for path in ("/rerank", "/v1/rerank", "/health"):
        raw(service, "GET", path)
        raw(service, "POST", path, BODY)
    before = Scrape(service.url).series
    for number in range(1, 20):
        raw(service, "POST", "/" * number + "rerank", BODY)
        raw(service, "POST", "/v1" * number + "/rerank", BODY)
        raw(service, "HEAD", "/health" + "/" * number)
    assert Scrape(service.url).series == before


@pytest.mark.parametrize("path", GETS)
def test_head_is_get_without_its_body(service, path):
    """The same status and type; a length where GET has one."""
    status, headers, body = raw(service, "HEAD", path)
    expected_status, expected, content = raw(service, "GET", path)
    assert (status, headers["content-type"], body) == (expected_status, expected["content-type"], b"")
    assert headers["x-request-id"]
    if path not in ("/metrics", "/health"):  # those that change, and tell the time
        assert int(headers["content-length"]) == len(content)


@pytest.mark.parametrize(("path", "allowed"), [("/health", "GET, HEAD, OPTIONS"), ("/rerank", "POST, OPTIONS")])
def test_options_tells_the_methods(service, path, allowed):
    """Without a body, on every path that there is."""
    status, headers, body = raw(service, "OPTIONS", path)
    assert (status, headers["allow"], body) == (204, allowed, b"")


def test_head_of_what_takes_post_alone_is_a_405(service):
    """With the methods, and without a body."""
    status, headers, body = raw(service, "HEAD", "/rerank")
    assert (status, headers["allow"], body) == (405, "POST, OPTIONS", b"")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_other_methods_need_the_key_as_well(guarded_service, method):
    """A guarded path tells nothing without one."""
    assert raw(guarded_service, method, "/v1/models")[0] == 401
