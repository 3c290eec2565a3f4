"""Web pages of other origins: none may call unless the setting names it."""

import httpx2

PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": (
        "content-type,authorization,x-api-key,api-key,x-request-id,x-request-timeout,traceparent"
    ),
}
RERANK = {"query": "alpha", "documents": ["alpha"]}


def test_off_by_default(client):
    """No header of CORS on anything, and a preflight learns the methods of the route alone."""
    origin = {"origin": "https://app.example"}
    answer = client.post("/rerank", json=RERANK, headers=origin)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = client.options("/rerank", headers={**origin, **PREFLIGHT})
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_a_named_origin_may_call(guarded_client):
    """Its preflight needs no key; its answers show the headers that matter, and errors do too."""
    origin = {"origin": "https://app.example"}
    preflight = guarded_client.options("/rerank", headers={**origin, **PREFLIGHT, "authorization": ""})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    answer = guarded_client.post("/rerank", json=RERANK, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    refused = guarded_client.post("/rerank", json=RERANK, headers={**origin, "authorization": "no"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example"


def test_others_may_not(guarded_client, guarded_service):
    """Neither another origin nor one that only looks like it. The body of a refused preflight is for nobody to read."""
    for origin in ("https://evil.example", "https://app.example.evil", "http://app.example", "null"):
        preflight = httpx2.options(f"{guarded_service.url}/rerank", headers={"origin": origin, **PREFLIGHT})
        assert preflight.status_code == 400
        answer = guarded_client.post("/rerank", json=RERANK, headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers
