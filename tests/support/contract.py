"""Every answer is held against what /openapi.json says of its route and status."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
from jsonschema import Draft202012Validator

from support.fetching import fetch

ENVELOPE_FIELDS = {"error", "error_type", "code", "message", "detail", "request_id"}
RETRY_STATUSES = {429, 503}
# Only these leave out 404 and 405, which belong to no route.
UNDOCUMENTED_STATUSES = {404, 405}
# Where a body decides whose API it is, and the operation that documents each. The first key counts.
RERANKS = {"rerank", "v1_rerank", "v2_rerank", "v1_ranking", "v1_reranking"}
OWN_KEYS = {"texts": "rerank", "passages": "v1_ranking", "input": "v1_reranking", "truncation": "voyage_rerank"}
WITHOUT_DOCUMENTS = {"v1_ranking", "v1_reranking"}


class ContractClient(httpx2.Client):
    """A client that fails the test on an answer or an accepted request that the OpenAPI document does not describe."""

    def __init__(self, base_url: str, **options: Any) -> None:
        options.setdefault("timeout", 30)
        # Without TLS there is nothing to verify, and loading certificates takes longer than a request.
        super().__init__(
            base_url=base_url, trust_env=False, verify=False, event_hooks={"response": [self._check]}, **options
        )
        self._document: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """/openapi.json, fetched once."""
        if self._document is None:
            self._document = orjson.loads(fetch(str(self.base_url).rstrip("/") + "/openapi.json")[1])
        return self._document

    def rerank(self, query: Any = "alpha beta", documents: Any = ("alpha", "beta gamma"), **options: Any) -> Any:
        """POST /rerank."""
        headers = options.pop("headers", None)
        return self.post("/rerank", json={"query": query, "documents": documents, **options}, headers=headers)

    def _check(self, response: httpx2.Response) -> None:
        response.read()
        if response.status_code >= 400:
            check_envelope(response)
        method, path = response.request.method, response.request.url.path
        operation = self._operations.get((method, path))
        if operation is None or response.status_code in UNDOCUMENTED_STATUSES:
            return
        documented = operation["responses"].get(str(response.status_code))
        assert documented is not None, f"{path}: {response.status_code} is not documented"
        if "application/json" not in documented["content"]:
            return
        if response.status_code == 200 and "requestBody" in operation:
            self._check_both(response, operation)
        else:
            self._validate(response.json(), schema_of(documented))

    @property
    def _operations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By method and path, aliases included."""
        return {
            (method.upper(), alias): operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            for alias in (path, *operation.get("x-aliases", ()))
        }

    def _check_both(self, response: httpx2.Response, operation: dict[str, Any]) -> None:
        """The request and its answer; a body that is another API's is held against what is said of that one."""
        streamed = "transfer-encoding" in response.request.headers
        body, own = None if streamed else orjson.loads(response.request.content), operation
        if isinstance(body, dict) and operation["operationId"] in RERANKS:
            own = next((self._by_id(name) for key, name in OWN_KEYS.items() if key in body), operation)
            if "documents" in body and operation["operationId"] in WITHOUT_DOCUMENTS:
                own = self._by_id("v1_rerank")
        if body is not None:
            self._validate(body, schema_of(own["requestBody"]))
        self._validate(response.json(), schema_of(own["responses"]["200"]))

    def _by_id(self, name: str) -> dict[str, Any]:
        return next(operation for operation in self._operations.values() if operation["operationId"] == name)

    def _validate(self, value: Any, schema: dict[str, Any]) -> None:
        Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    """Of a documented request body or answer."""
    return body["content"]["application/json"]["schema"]


def check_envelope(response: httpx2.Response) -> dict[str, str]:
    """The flat error body: six texts, the request id that the header has, `Retry-After` where waiting helps."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == ENVELOPE_FIELDS
    assert all(isinstance(value, str) and value for value in body.values()), body
    assert body["error"] == body["message"] == body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    if response.status_code in RETRY_STATUSES:
        assert int(response.headers["retry-after"]) >= 1
    return body
