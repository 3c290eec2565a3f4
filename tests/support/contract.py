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
        operation = self.document["paths"].get(response.request.url.path, {}).get(response.request.method.lower())
        if operation is None or response.status_code in UNDOCUMENTED_STATUSES:
            return
        documented = operation["responses"].get(str(response.status_code))
        assert documented is not None, f"{response.request.url.path}: {response.status_code} is not documented"
        self._validate(response.json(), documented["content"]["application/json"]["schema"])
        streamed = "transfer-encoding" in response.request.headers
        if response.status_code == 200 and "requestBody" in operation and not streamed:
            self._validate(
                orjson.loads(response.request.content),
                operation["requestBody"]["content"]["application/json"]["schema"],
            )

    def _validate(self, value: Any, schema: dict[str, Any]) -> None:
        Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)


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
