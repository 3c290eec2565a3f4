"""Ask a service with the shipped model every example of its documentation, and keep what it answers.

bentorank serve & python docs/record_answers.py http://127.0.0.1:3000
"""

from __future__ import annotations

import sys
from typing import Any

import httpx2
import orjson

from bentorank.http.documentation.examples import ANSWERS

# The same at every recording, so that only what changed is seen to change. By the names of fields.
STEADY = {
    "created": 1764230400,
    "timestamp": "2025-11-27T08:00:00.000+00:00",
    "latency_ms": 9.1,
    "queue": 0.2,
    "tokenize": 0.6,
    "inference": 8.1,
    "total": 9.1,
}
DECIMALS = 4


def main(url: str) -> None:
    """Write the file."""
    with httpx2.Client(base_url=url, headers={"cache-control": "no-cache"}) as client:
        paths = client.get("/openapi.json").raise_for_status().json()["paths"]
        answers = {
            f"{method.upper()} {path}": asked
            for path, operations in paths.items()
            for method, operation in operations.items()
            if (asked := _ask(client, method, path, operation))
        }
    ANSWERS.write_bytes(orjson.dumps(answers, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(f"{ANSWERS.name}: {sum(map(len, answers.values()))} answers")


def _ask(client: httpx2.Client, method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    if "application/json" not in operation["responses"].get("200", {}).get("content", {}):
        return {}
    if method == "get":
        answer = client.get(path.replace("{model_id}", "starter")).raise_for_status().json()
        return {str(operation["summary"]): _steady(answer)}
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    return {
        name: _steady(client.post(path, json=example["value"]).raise_for_status().json())
        for name, example in examples.items()
    }


def _steady(value: Any, field: str = "") -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _steady(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_steady(item, field) for item in value]
    if field in STEADY:
        return STEADY[field]
    if field == "id" and "-" in str(value):
        return f"{value.split('-')[0]}-0f3a9c52d1e84b7c9d60a2f4718be355"
    return round(value, DECIMALS) if isinstance(value, float) else value


if __name__ == "__main__":
    main(*sys.argv[1:])
