"""What /openapi.json and /docs say: examples with the answers that they have, groups, aliases, names that stay."""

import re

import pytest

# Generated clients call their methods by these: none may change.
OPERATIONS = {
    "rerank", "rerank_batch", "v1_rerank", "v2_rerank", "v1_reranking", "v1_ranking", "infinity_rerank",
    "voyage_rerank", "score", "bentoml_score", "get_service", "get_info", "get_v1_models", "get_v1_models_model_id",
    "get_v1_cluster_auth", "get_health", "get_v1_health_live", "get_v1_health_ready", "get_livez", "get_readyz",
    "get_metrics",
}  # fmt: skip
# These differ from one answer to the next.
OF_THE_MOMENT = {
    "id", "created", "timestamp", "latency_ms", "queue", "tokenize", "inference", "total", "engine", "device",
    "precision", "backend", "model_dtype", "tokenization_workers", "max_batch_tokens", "version", "max_request_tokens",
}  # fmt: skip
SCORES = {"score", "relevance_score", "logit"}


def operations_of(client):
    return {
        operation["operationId"]: (method, path, operation)
        for path, item in client.document["paths"].items()
        for method, operation in item.items()
    }


def lasting(value, field=""):
    """What of an answer is the same on every machine; a score to within rounding of another precision."""
    if isinstance(value, dict):
        return {name: lasting(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [lasting(item, field) for item in value]
    if field in OF_THE_MOMENT and not isinstance(value, dict):
        return type(value).__name__.replace("int", "float")
    if isinstance(value, float) and (field in SCORES or not field):
        return pytest.approx(value, abs=0.25)
    return value


def test_every_documented_answer_is_the_one_that_the_shipped_model_gives(starter_client):
    """Whoever presses `Execute` sees what stood there before. Once an answer changes: docs/record_answers.py."""
    compared = 0
    for method, path, operation in operations_of(starter_client).values():
        content = operation["responses"]["200"]["content"].get("application/json", {})
        asked = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples")
        for name, answer in content.get("examples", {}).items():
            body = {} if asked is None else {"json": asked[name]["value"]}
            address = path.replace("{model_id}", "starter")
            got = starter_client.request(method, address, headers={"cache-control": "no-cache"}, **body)
            assert got.status_code == 200, (path, name)
            assert lasting(got.json()) == lasting(answer["value"]), (path, name)
            compared += 1
        assert asked is None or asked.keys() == content["examples"].keys(), path
    assert compared >= 20


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (400, {"json": {"query": " ", "documents": ["a"]}}),
        (413, {"json": {"query": "a", "documents": ["b"] * 1001}}),
        (415, {"content": b"{}", "headers": {"content-type": "text/plain"}}),
        (500, {"json": {"query": "a", "documents": ["[[poison]]"]}}),
    ],
)
def test_a_documented_error_is_worded_as_the_service_words_it(client, status, options):
    """Those that can be had at once."""
    documented = client.document["paths"]["/rerank"]["post"]["responses"][str(status)]
    shown = documented["content"]["application/json"]["example"]
    got = client.post("/rerank", **options).json()
    assert got | {"request_id": ""} == shown | {"request_id": ""}


def test_names_of_operations_stay(client):
    """One for each dialect and each question; the aliases have none."""
    assert operations_of(client).keys() == OPERATIONS


def test_every_operation_is_in_a_group_that_is_introduced(client):
    """Groups in the document's order, none of them empty; a summary and some words for each operation."""
    groups = {tag["name"]: tag["description"] for tag in client.document["tags"]}
    assert next(iter(groups)) == "Rerank"
    assert all(groups.values())
    used = set()
    for _, path, operation in operations_of(client).values():
        (group,) = operation["tags"]
        used.add(group)
        assert operation["summary"], path
        assert operation["description"], path
        assert not operation.get("deprecated"), path
    assert used == set(groups)


def test_an_alias_is_named_where_its_operation_is_described_and_answers_alike(client):
    """Each of them, in the shape that is documented: the client compares."""
    tried = 0
    for method, path, operation in operations_of(client).values():
        for alias in operation.get("x-aliases", ()):
            assert f"`{alias}`" in operation["description"]
            assert alias not in client.document["paths"]
            body = {}
            if method == "post":
                examples = operation["requestBody"]["content"]["application/json"]["examples"]
                body = {"json": next(iter(examples.values()))["value"]}
            assert client.request(method, alias.replace("{model_id}", "starter"), **body).status_code == 200, path
            tried += 1
    assert tried >= 8


def test_every_path_that_the_service_takes_is_documented_or_an_alias(client):
    """But for the pages themselves, and BentoML's description of its own route."""
    told = {
        alias
        for _, path, operation in operations_of(client).values()
        for alias in (path, *operation.get("x-aliases", ()))
    }
    listed = {endpoint.split(" ")[1] for endpoint in client.get("/").json()["endpoints"]}
    assert listed - told == {"/docs", "/playground"}


def test_the_page_lets_nothing_in_from_elsewhere(client):
    """By its policy: scripts of this service alone, none in the page."""
    page = client.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=", page.text)
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(asset).status_code == 200, asset
