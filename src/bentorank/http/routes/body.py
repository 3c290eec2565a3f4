"""From the bytes of a request to a checked pydantic model, with errors that name the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from bentorank.errors import InvalidRequestError, MalformedBodyError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails
    from starlette.requests import Request

Body = TypeVar("Body", bound=BaseModel)

# Parts of pydantic's error locations that name a branch of a union, not a field.
UNION_TAGS = {"text", "object"}
# The fields that may be deep.
KNOWN_FIELDS = {"documents", "requests", "input", "passages", "texts", "query"}


async def read_object(request: Request, *, max_json_depth: int) -> dict[str, object]:
    """The request's body, which must be a JSON object.

    Raises UnsupportedMediaTypeError or MalformedBodyError.
    """
    _check_media_type(request.headers.get("content-type", ""))
    _check_content_encoding(request.headers.get("content-encoding", "identity"))
    parsed = _parse_object(await request.body())
    _check_depth(parsed, max_json_depth)
    return parsed


def read_as(model: type[Body], parsed: dict[str, object]) -> Body:
    """A JSON object as `model`. Raises InvalidRequestError."""
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        raise _first_problem(error) from None


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaTypeError("Content-Type: must be application/json", field="Content-Type")


def _check_content_encoding(encoding: str) -> None:
    if encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaTypeError("Content-Encoding: compressed bodies are not read", field="Content-Encoding")


def _parse_object(body: bytes) -> dict[str, object]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The parser's message gives a reason and a place, never a piece of the body.
        raise MalformedBodyError(f"the body is not valid JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(parsed, dict):
        raise MalformedBodyError("the body must be a JSON object")
    return parsed


def _check_depth(parsed: dict[str, object], max_json_depth: int) -> None:
    """Deep JSON can be read but not written, and costs more than its bytes."""
    for field, value in parsed.items():
        if _is_deeper_than(max_json_depth - 1, value):
            # The field is the caller's own word, so the message does not repeat it unless it is one of ours.
            shown = field if field in KNOWN_FIELDS else "the body"
            raise InvalidRequestError(f"{shown}: nested deeper than the limit of {max_json_depth} levels", field=shown)


def _is_deeper_than(levels: int, value: object) -> bool:
    children: Iterable[object]
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, list):
        children = value
    else:
        return False
    return levels == 0 or any(_is_deeper_than(levels - 1, child) for child in children)


def _first_problem(error: ValidationError) -> InvalidRequestError:
    problem = error.errors(include_url=False, include_input=False)[0]
    field = _field_path(problem["loc"])
    more = f" (and {error.error_count() - 1} more problems)" if error.error_count() > 1 else ""
    return InvalidRequestError(f"{field}: {_readable(problem)}{more}", field=field)


def _field_path(location: tuple[int | str, ...]) -> str:
    """`("documents", 3, "object", "content")` as `documents[3].content`."""
    path = ""
    for position, part in enumerate(location):
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in UNION_TAGS and position and isinstance(location[position - 1], int):
            continue
        else:
            path += f".{part}" if path else part
    return path


def _readable(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "missing":
            return "is required"
        case "too_short":
            return f"must hold at least {problem['ctx']['min_length']} item"
        case "model_type" if "documents" in problem["loc"] or "input" in problem["loc"]:
            return "must be a text or an object with `content`"
        case "model_type" | "dict_type":
            return "must be an object"
        case "list_type":
            return "must be a list"
        case _:
            return problem["msg"].replace("Input should be", "must be")
