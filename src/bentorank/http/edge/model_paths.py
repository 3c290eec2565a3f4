"""Paths that contain a model's name: the name goes into the request's context, and one template stands for them all.

Metrics are labelled with paths, so a path that callers can vary at will would fill the memory of whoever scrapes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bentorank.http.edge.request_context import context_of

if TYPE_CHECKING:
    from starlette.types import Scope

MODEL_TEMPLATE = "/v1/models/{model_id}"
NIM_TEMPLATE = "/v1/retrieval/{model_id}/reranking"

# Names of the model hub have one slash; nobody's name is longer than a file's may be.
_NAME = r"(?P<model_id>[^\x00-\x1f]{1,255})"
_TEMPLATES = (
    (re.compile(rf"/v1/models/{_NAME}"), MODEL_TEMPLATE),
    (re.compile(rf"/v1/retrieval/{_NAME}/reranking"), NIM_TEMPLATE),
)


def templated(scope: Scope) -> Scope:
    """The scope with the template in place of a path that contains a model's name; any other scope as it is."""
    for pattern, template in _TEMPLATES:
        if match := pattern.fullmatch(scope["path"]):
            context_of(scope).model_id = match["model_id"]
            return {**scope, "path": template, "raw_path": template.encode()}
    return scope
