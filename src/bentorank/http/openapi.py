"""The OpenAPI document: handlers read and write bodies themselves, so what they take and give is told here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from bentorank.http.about.responses import ErrorBody

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

ERRORS = {
    400: "The request breaks a rule; the message names the field.",
    401: "An API key is required, or the one sent is not valid.",
    404: "No such route, or no such model.",
    405: "The route does not take this method.",
    409: "Not now: another change of models runs, a name is taken, or the model is the default.",
    413: "The body, or what it asks for, is larger than a limit; the message names the limit.",
    415: "The body is not declared as JSON.",
    429: "Overloaded, or the API key has used its share; `Retry-After` says when to come back.",
    500: "The model could not score a document, or an internal error.",
    503: "Loading or draining; `Retry-After` says when to come back.",
    504: "The deadline passed, or cannot be met.",
}
# Any reranking POST may end in any other; an unknown path or method is no error of a route that is documented.
POST_ERRORS = tuple(status for status in ERRORS if status not in (405, 409))


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` for these error statuses."""
    return {status: {"model": ErrorBody, "description": ERRORS[status]} for status in statuses}


def request_body(bodies: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """FastAPI's `openapi_extra` for a JSON body that may be any of `bodies`, with the examples that each carries."""
    references = [{"$ref": REFERENCE.format(model=body.__name__)} for body in bodies]
    examples = {
        str(body.model_config.get("title", body.__name__)): {"value": example}
        for body in bodies
        for example in body.model_json_schema()["examples"]
    }
    content = {"schema": references[0] if len(references) == 1 else {"anyOf": references}, "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def path_parameter(name: str, description: str) -> dict[str, Any]:
    """FastAPI's `openapi_extra` for a text in the path."""
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "description": description, "schema": schema}]
    }


def document_of(app: FastAPI, bodies: Sequence[type[BaseModel]], *, guarded: Collection[str]) -> dict[str, Any]:
    """FastAPI's document with the schemas of the request bodies, and with the keys that `guarded` paths want."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    _, schemas = models_json_schema([(body, "validation") for body in bodies], ref_template=REFERENCE)
    components.setdefault("schemas", {}).update(schemas.get("$defs", {}))
    if guarded:
        components["securitySchemes"] = KEY_SCHEMES
        for path in document["paths"].keys() & guarded:
            for operation in document["paths"][path].values():
                operation["security"] = [{name: []} for name in KEY_SCHEMES]
    return document
