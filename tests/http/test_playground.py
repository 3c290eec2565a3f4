"""The playground as files over HTTP: what they are sent with, and that they stay out of the way of everything else."""

from __future__ import annotations

import gzip
import http.client
import json
import re
from pathlib import Path

import httpx2
import pytest
from support.metrics import Scrape

from bentorank.http.playground import files
from bentorank.settings import Settings

STATIC = Path(files.__file__).parent / "static"
MODULES = sorted(file.name for file in STATIC.glob("*.js"))
ASSETS = [f"/playground-assets/{file.name}" for file in sorted(STATIC.iterdir()) if file.suffix not in (".html", ".md")]
PATHS = ["/playground", *ASSETS]


def get(server, path, method="GET", **headers):
    """Status, headers and the body as it was sent: nothing is unpacked."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_every_file_comes_with_a_policy_that_lets_nothing_in(service):
    """Its own scripts, styles and service alone; nothing inline, no frame around it, no other type than told."""
    for path in PATHS:
        status, headers, body = get(service, path)
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert (status, len(body)) == (200, int(headers["content-length"]))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/playground", "text/html; charset=utf-8"),
        ("/playground-assets/main.js", "text/javascript; charset=utf-8"),
        ("/playground-assets/style.css", "text/css; charset=utf-8"),
        ("/playground-assets/icon.svg", "image/svg+xml"),
        ("/playground-assets/examples.json", "application/json"),
    ],
)
def test_each_kind_has_its_media_type(service, path, media_type):
    """A browser told not to sniff runs no script of another type."""
    assert get(service, path)[1]["content-type"] == media_type


def test_what_a_browser_has_is_not_sent_again(service):
    """By its tag, which a compressed file has another of; `no-cache` has it ask each time."""
    for encoding in ("identity", "gzip"):
        asked = {"accept-encoding": encoding}
        _, headers, _ = get(service, "/playground-assets/main.js", **asked)
        assert headers["cache-control"] == "no-cache"
        assert headers["vary"] == "accept-encoding"
        status, again, body = get(service, "/playground-assets/main.js", **asked, **{"if-none-match": headers["etag"]})
        assert (status, again["etag"], body) == (304, headers["etag"], b"")
        assert again["content-security-policy"] == headers["content-security-policy"]
    tags = {get(service, "/playground", **{"accept-encoding": encoding})[1]["etag"] for encoding in ("gzip", "br")}
    assert len(tags) == 2


def test_who_takes_gzip_gets_the_same_compressed(service):
    """To the last byte; all files together take less than 40 kB of the wire."""
    sent = 0
    for path in PATHS:
        _, headers, body = get(service, path, **{"accept-encoding": "br, gzip"})
        sent += len(body)
        assert headers["content-encoding"] == "gzip"
        assert gzip.decompress(body) == get(service, path)[2]
    assert sent < 40_000
    _, headers, _ = get(service, "/playground", **{"accept-encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in headers


def test_head_and_options_and_nothing_else(service):
    """A file is there to be read."""
    for path in ("/playground", "/playground-assets/main.js"):
        _, expected, content = get(service, path)
        status, headers, body = get(service, path, "HEAD")
        assert (status, int(headers["content-length"]), body) == (200, len(content), b"")
        assert headers["etag"] == expected["etag"]
        assert get(service, path, "OPTIONS")[1]["allow"] == "GET, HEAD, OPTIONS"
        assert get(service, path, "POST")[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        "/playground-assets/",
        "/playground-assets/nothing.js",
        "/playground-assets/index.html",
        "/playground-assets/ATTRIBUTION.md",
        "/playground-assets/../files.py",
        "/playground-assets/..%2ffiles.py",
        "/playground-assets/%2e%2e/files.py",
    ],
)
def test_there_are_no_other_files(service, path):
    """A closed list, looked up by name: no path leads into a folder."""
    status, _, body = get(service, path)
    assert (status, json.loads(body)["code"]) == (404, "not_found")


def test_it_works_with_a_slash_behind_it(service):
    """Paths are relative, so that it works behind a proxy's prefix; below `/playground/` they lead to the same."""
    for path in ("/playground/", "/playground/playground-assets/main.js", "/playground/info"):
        assert get(service, path)[0] == 200


def test_its_files_are_no_series(service):
    """BentoML labels its metrics with paths: each file would be a histogram of its own."""
    get(service, "/livez")
    before = Scrape(service.url).series
    for path in PATHS:
        get(service, path)
        get(service, path, "HEAD")
    assert Scrape(service.url).series == before


def test_the_page_names_every_module_and_no_other_host():
    """What modules import is fetched with the page, not one after the other; nothing comes from elsewhere."""
    page = (STATIC / "index.html").read_text()
    assert sorted([*re.findall(r'modulepreload" href="playground-assets/(\S+)"', page), "main.js"]) == MODULES
    for file in STATIC.iterdir():
        if file.suffix in (".html", ".css", ".js"):
            assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", file.read_text()), file.name


def test_no_module_can_write_html():
    """Texts become text nodes. The policy would stop the others too, where a browser knows trusted types."""
    for name in MODULES:
        written = (STATIC / name).read_text()
        found = re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|srcdoc", written)
        assert not found, name
        assert not re.findall(r"localStorage|sessionStorage|indexedDB|document\.cookie", written), name


def test_every_example_is_within_the_default_limits():
    """And says where its texts are from."""
    limits = Settings.model_fields
    for example in json.loads((STATIC / "examples.json").read_text()):
        assert len(example["query"]) <= limits["max_query_chars"].default
        assert 5 <= len(example["documents"]) <= limits["max_documents"].default
        assert max(map(len, example["documents"])) <= limits["max_document_chars"].default
        assert example["credit"]


def test_info_tells_the_limits(small_client):
    """So that callers, such as the page, need not find out by being refused."""
    limits = small_client.get("/info").json()["limits"]
    assert (limits["max_documents"], limits["max_document_chars"], limits["max_query_chars"]) == (5, 100, 50)
    assert (limits["max_body_bytes"], limits["max_batch_requests"], limits["max_request_tokens"]) == (1000, 2, 600_000)


def test_without_a_key_the_page_comes_and_nothing_else(guarded_service):
    """It is as public as the documentation; limits, models and rankings are not."""
    assert get(guarded_service, "/playground")[0] == 200
    for path in ("/info", "/v1/models", "/playground/info"):
        assert get(guarded_service, path)[0] == 401
    body = {"query": "a", "documents": ["b"]}
    assert httpx2.post(f"{guarded_service.url}/playground/rerank", json=body).status_code == 401
