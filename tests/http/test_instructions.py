"""What a caller tells a language model to look for: read by models whose prompts have it, else told to be ignored."""

import pytest
from support.server import running_server
from support.tiny_folders import tiny_models

IGNORED = "instruction: this model reads none, and it was ignored"
TEXTS = ["The tower is 300 metres high.", "Bread dough rises.", "A river delta forms."]
# Voyage's answer has no warnings: the header has.
BODIES = {
    "/rerank": {"query": "tower", "documents": TEXTS},
    "/v1/rerank": {"query": "tower", "documents": TEXTS},
    "/voyage/rerank": {"query": "tower", "documents": TEXTS},
    "/v1/reranking": {"query": "tower", "input": TEXTS},
}


@pytest.mark.parametrize("path", BODIES)
def test_a_model_that_reads_no_instruction_says_so(client, path):
    """In every dialect that has the field, and only where it was sent."""
    plain, told = (client.post(path, json=BODIES[path] | extra) for extra in ({}, {"instruction": "Find bread."}))
    assert plain.status_code == told.status_code == 200
    assert IGNORED in told.headers["x-warnings"]
    assert "x-warnings" not in plain.headers
    assert client.post(path, json=BODIES[path] | {"instruction": ""}).headers.get("x-warnings") is None


@pytest.mark.parametrize("path", BODIES)
def test_an_instruction_has_a_limit(client, path):
    """The error names the field and not the text."""
    answer = client.post(path, json=BODIES[path] | {"instruction": "secret" * 1000})
    assert answer.status_code in {400, 422}
    assert "instruction" in answer.text
    assert "4000" in answer.text
    assert "secret" not in answer.text


@pytest.mark.slow
def test_a_language_model_is_served_and_its_scores_are_remembered_by_instruction(tmp_path):
    """A real server with a small random Qwen3-Reranker: what another instruction scored answers no other."""
    import httpx

    tiny_models().build_causal(tmp_path / "model")
    with running_server(tmp_path / "home", model=tmp_path / "model", instruction="Find rivers.") as server:

        def scores(path="/rerank", **extra):
            answer = httpx.post(f"{server.url}{path}", json=BODIES[path] | extra, timeout=30)
            assert answer.status_code == 200, answer.text
            assert "x-warnings" not in answer.headers
            ranked = answer.json().get("results") or answer.json()["data"]
            return {item["index"]: item.get("relevance_score", item.get("score")) for item in ranked}, answer.json()

        default, _ = scores()
        bread, body = scores(instruction="Find bread.")
        assert body["usage"]["cached_pairs"] == 0
        assert bread != default
        named, body = scores(instruction="Find rivers.")
        assert named == pytest.approx(default)
        for path in BODIES:
            assert scores(path, instruction="Find bread.")[0] == pytest.approx(bread)
        assert scores(instruction="Find bread.")[1]["usage"]["cached_pairs"] == len(TEXTS)
        chunked, body = scores(instruction="Find bread.", overflow="chunk")
        assert chunked == pytest.approx(bread)
        assert all("span" in item for item in body["results"])
