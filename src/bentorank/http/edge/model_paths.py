"""Paths that contain a model's name: the name goes into the request's context, and one template stands for them all.

Metrics are labelled with paths, so a path that callers can vary at will would fill the memory of whoever scrapes them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentorank.http.edge.request_context import RequestContext

MODEL_TEMPLATE = "/v1/models/{model_id}"
NIM_TEMPLATE = "/v1/retrieval/{model_id}/reranking"
ADMIN_PATH = "/admin/models"
ADMIN_TEMPLATE = "/admin/models/{model_id}"

# Names of the model hub have one slash; nobody's name is longer than a file's may be.
_NAME = r"(?P<model_id>[^\x00-\x1f]{0,254}[^\x00-\x1f/])/?"
_TEMPLATES = (
    (re.compile(rf"/v1/models/{_NAME}"), MODEL_TEMPLATE),
    (re.compile(rf"/v1/retrieval/{_NAME}/reranking"), NIM_TEMPLATE),
    (re.compile(rf"{ADMIN_PATH}/{_NAME}"), ADMIN_TEMPLATE),
)


def contains_model(path: str) -> bool:
    """Whether this is a path with a model's name in it."""
    return any(pattern.fullmatch(path) for pattern, _ in _TEMPLATES)


def templated(path: str, context: RequestContext) -> str:
    """The template in place of a path that contains a model's name, which `context` keeps; any other path as it is."""
    for pattern, template in _TEMPLATES:
        if match := pattern.fullmatch(path):
            context.model_id = match["model_id"]
            return template
    return path
