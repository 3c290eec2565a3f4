"""For schemathesis: valid requests are accepted, where a JSON schema can tell all about what is valid."""

from typing import Any

import schemathesis

ACCEPTED = {200, 504}  # 504: the deadline that the request sets cannot be met


@schemathesis.check
def valid_requests_are_accepted(_context: Any, response: Any, case: Any) -> None:
    """A body that the document allows has an answer, unless it breaks a rule that a schema cannot express."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if positive and _is_valid(case.body, case.operation.path):
        assert response.status_code in ACCEPTED, response.text


def _is_valid(body: Any, path: str) -> bool:
    requests = body.get("requests") or [body] if isinstance(body, dict) else body
    return not isinstance(requests, list) or all(_is_plain(request, path) for request in requests)


def _is_plain(body: Any, path: str) -> bool:
    if not isinstance(body, dict):
        return True
    if path in ("/score", "/v1/score"):
        return _sides_match(body)
    contradicts = body.get("top_k") is not None and body.get("top_n") is not None
    # A first stage must be there: which ones are is no matter of the document.
    if body.get("first_stage") is not None or body.get("keep") is not None:
        return False
    documents = next((body[name] for name in ("documents", "input") if isinstance(body.get(name), list)), [])
    return not contradicts and _is_of_one_dialect(body, path) and all(_has_passage(item, body) for item in documents)


def _is_of_one_dialect(body: dict[str, Any], path: str) -> bool:
    """A body with the keys of two dialects is read as one of them and may be valid as the other alone."""
    decided = path.startswith(("/infinity/", "/voyage/"))
    return decided or len({"texts", "passages", "documents", "input"} & body.keys()) <= 1


def _has_passage(document: Any, body: dict[str, Any]) -> bool:
    if not isinstance(document, dict) or not isinstance(body.get("rank_fields"), list | None):
        return True
    names = body.get("rank_fields") or ["content", "text"]
    return any(document.get(name) is not None for name in names if isinstance(name, str))


def _sides_match(body: dict[str, Any]) -> bool:
    """vLLM's rule: one query, or as many as documents."""
    queries, documents = (
        next((body[name] for name in names if name in body), [])
        for names in (("queries", "text_1", "data_1"), ("documents", "items", "text_2", "data_2"))
    )
    lengths = [len(side) if isinstance(side, list) else 1 for side in (queries, documents)]
    return lengths[0] in (1, lengths[1])
