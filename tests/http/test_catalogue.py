"""What clients ask before they rerank, and probes of other servers: each as the one who asks needs it."""

import pytest


def test_info_as_tei_tells_it(client):
    """Clients that validate first want `model_type.reranker`."""
    info = client.get("/info").json()
    assert "reranker" in info["model_type"]
    assert info["model_id"] == "fake"
    assert info["max_input_length"] == 512
    assert info["max_client_batch_size"] == 1000
    assert info["auto_truncate"] is True


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/infinity/models"])
def test_the_model_is_listed(client, path):
    """infinity_client insists on the owner, NVIDIA's clients on the id."""
    (model,) = client.get(path).json()["data"]
    assert (model["id"], model["owned_by"], model["capabilities"]) == ("fake", "infinity", ["rerank"])


@pytest.mark.parametrize("name", ["fake", "bge-reranker", "BAAI/bge-reranker-v2-m3", "a%2Fb", "{model_id}"])
def test_a_model_has_a_page_under_any_name(client, name):
    """xinference-client wants to see that it reranks."""
    model = client.get(f"/v1/models/{name}").json()
    assert (model["id"], model["model_type"]) == ("fake", "rerank")


@pytest.mark.parametrize(("path", "status"), [("/v1/health/live", "live"), ("/v1/health/ready", "ready")])
def test_nim_probes(client, path, status):
    """As NVIDIA NIM answers them."""
    assert client.get(path).json()["status"] == status


@pytest.mark.parametrize("path", ["/ping", "/infinity/health", "/health"])
def test_probes_of_others(client, path):
    """TEI's and Infinity's."""
    assert client.get(path).json()["status"] == "healthy"


def test_names_of_models_do_not_reach_the_metrics(client):
    """A path that callers can vary at will has one label."""
    client.get("/v1/models/some-name-nobody-has")
    client.post("/v1/retrieval/another-name/reranking", json={"query": {"text": "a"}, "passages": [{"text": "b"}]})
    metrics = client.get("/metrics").text
    assert "some-name-nobody-has" not in metrics
    assert "another-name" not in metrics


def test_names_are_taken_strictly_if_so_set(guarded_client):
    """`BENTORANK_STRICT_MODEL`: another name is a 404 in every dialect, the loaded one and none at all are good."""
    good = {"query": "a", "documents": ["a"]}
    for path in ("/rerank", "/v1/rerank", "/v2/rerank", "/infinity/rerank"):
        assert guarded_client.post(path, json=good).status_code == 200
        assert guarded_client.post(path, json={**good, "model": "served"}).status_code == 200
        refused = guarded_client.post(path, json={**good, "model": "other"})
        assert refused.status_code == 404
        assert refused.json()["code"] == "model_not_found"
    assert guarded_client.post("/score", json={"text_1": "a", "text_2": "b", "model": "other"}).status_code == 404
    batch = {"requests": [good, {**good, "model": "other"}]}
    assert guarded_client.post("/rerank/batch", json=batch).status_code == 404
    assert guarded_client.get("/v1/models/other").status_code == 404
    assert guarded_client.get("/v1/models/served").json()["id"] == "served"
