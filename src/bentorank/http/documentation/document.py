"""The OpenAPI document: handlers read and write bodies themselves, so what they take and give is told here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from bentorank.http.documentation.bentoml_routes import BENTOML_BODIES, bentoml_paths
from bentorank.http.documentation.examples import answers_to, requests_to
from bentorank.http.documentation.groups import GROUPS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fastapi import FastAPI
    from pydantic import BaseModel

REFERENCE = "#/components/schemas/{model}"
KEY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
}


def request_body(path: str, bodies: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """FastAPI's `openapi_extra` for a JSON body that may be any of `bodies`, with the examples of `path`."""
    references = [{"$ref": REFERENCE.format(model=body.__name__)} for body in bodies]
    schema = references[0] if len(references) == 1 else {"anyOf": references}
    examples = {example.name: {"value": example.body} for example in requests_to(path, bodies)}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
    }


def path_parameter(name: str, description: str, example: str) -> dict[str, Any]:
    """FastAPI's `openapi_extra` for a text in the path."""
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x1f]*[^\x00-\x1f/]$"}
    told = {"name": name, "in": "path", "required": True, "description": description, "example": example}
    return {"parameters": [{**told, "schema": schema}]}


def document_of(app: FastAPI, bodies: Sequence[type[BaseModel]], *, guarded: Collection[str]) -> dict[str, Any]:
    """FastAPI's document with BentoML's routes, the request bodies' schemas, and the keys that `guarded` paths want."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        license_info=app.license_info,
    )
    document["paths"].update(bentoml_paths())
    used = {tag for operations in document["paths"].values() for told in operations.values() for tag in told["tags"]}
    document["tags"] = [{"name": name, "description": words} for name, words in GROUPS.items() if name in used]
    _show_answers(document["paths"])
    components = document.setdefault("components", {})
    told = [*bodies, *BENTOML_BODIES]
    _, schemas = models_json_schema([(body, "validation") for body in told], ref_template=REFERENCE)
    components.setdefault("schemas", {}).update(schemas.get("$defs", {}))
    if guarded:
        components["securitySchemes"] = KEY_SCHEMES
        for path in document["paths"].keys() & guarded:
            for operation in document["paths"][path].values():
                operation["security"] = [{name: []} for name in KEY_SCHEMES]
    return document


def _show_answers(paths: dict[str, dict[str, Any]]) -> None:
    """Put what was answered beside each example: not by FastAPI, which would leave out what is null."""
    for path, operations in paths.items():
        for method, operation in operations.items():
            if answers := answers_to(method.upper(), path):
                content = operation["responses"]["200"]["content"]["application/json"]
                content["examples"] = {name: {"value": value} for name, value in answers.items()}
