"""From the bytes of a request to a checked pydantic model, with errors that name the field."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from bentorank.errors import InvalidRequestError, MalformedBodyError, UnsupportedMediaTypeError
from bentorank.http.routes.json_structure import check_items, has_wide_integer, is_deeper_than, is_wide
from bentorank.http.routes.surrogates import replace_lone_surrogates

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from starlette.requests import Request

    from bentorank.http.dialects.limits import RequestLimits

Body = TypeVar("Body", bound=BaseModel)

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Parts of pydantic's error locations that name a branch of a union, not a field.
UNION_TAGS = {"text", "object"}
# The fields that may be deep.
KNOWN_FIELDS = {"documents", "requests", "input", "passages", "texts", "query"}


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A request's body as JSON, and what had to be changed in it."""

    value: object
    warnings: tuple[str, ...] = ()

    @property
    def object(self) -> dict[str, object]:
        """The body where it must be a JSON object. Raises MalformedBodyError."""
        if not isinstance(self.value, dict):
            raise MalformedBodyError("the body must be a JSON object")
        return self.value


async def read_json(request: Request, limits: RequestLimits) -> JsonBody:
    """The request's body.

    Raises UnsupportedMediaTypeError, PayloadTooLargeError, MalformedBodyError or InvalidRequestError.
    """
    _check_media_type(request.headers.get("content-type", ""))
    _check_content_encoding(request.headers.get("content-encoding", "identity"))
    body = await _read(request)
    await check_items(body, limits.max_json_items)
    # Only what objects among the documents carry comes back, so only there a number may not change.
    keep_integers = body.find(b"{", 1) > 0 and await has_wide_integer(body)
    parsed = await _parse(body, keep_integers=keep_integers)
    _check_depth(parsed.value, limits.max_json_depth)
    return parsed


def read_as(model: type[Body], parsed: object, place: str = "") -> Body:
    """A JSON value as `model`. Raises InvalidRequestError; `place` is where in the body the value stands."""
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        raise _first_problem(error, place) from None


async def _read(request: Request) -> bytes:
    """Not `request.body()`, which keeps the bytes beside what was made of them until the answer is sent."""
    body = b"".join([piece async for piece in request.stream()])
    return body.removeprefix(BYTE_ORDER_MARK)


def _check_media_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaTypeError("Content-Type: must be application/json", field="Content-Type")


def _check_content_encoding(encoding: str) -> None:
    if encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaTypeError("Content-Encoding: compressed bodies are not read", field="Content-Encoding")


async def _parse(body: bytes, *, keep_integers: bool) -> JsonBody:
    mended: bytes | bytearray = body
    lone = 0
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        mended, lone = await replace_lone_surrogates(body)
        if not lone:
            raise _malformed(error) from None
        await asyncio.sleep(0)
        parsed = _parse_mended(mended)
    if keep_integers:
        # Slower, and more lenient, but the body is known to be good.
        parsed = json.loads(mended, parse_int=_exact_integer)
    warning = f"{lone} lone surrogates in the body are no characters and were read as U+FFFD"
    return JsonBody(parsed, (warning,) if lone else ())


def _parse_mended(body: bytes | bytearray) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed(error) from None


def _exact_integer(digits: str) -> object:
    """As it is, or as a piece of JSON that is written back unread where it has more than 64 bits."""
    return orjson.Fragment(digits) if is_wide(digits) else int(digits)


def _malformed(error: orjson.JSONDecodeError) -> MalformedBodyError:
    # The parser's message gives a reason and a place, never a piece of the body.
    return MalformedBodyError(f"the body is not valid JSON: {error.msg} at byte {error.pos}")


def _check_depth(parsed: object, max_json_depth: int) -> None:
    """Deep JSON can be read but not written, and costs more than its bytes."""
    if not is_deeper_than(max_json_depth, parsed):
        return
    shown = "the body"
    if isinstance(parsed, dict):
        # A field is the caller's own word, so the message does not repeat it unless it is one of ours.
        deep = [field for field in KNOWN_FIELDS & parsed.keys() if is_deeper_than(max_json_depth - 1, parsed[field])]
        shown = deep[0] if deep else shown
    raise InvalidRequestError(f"{shown}: nested deeper than the limit of {max_json_depth} levels", field=shown)


def _first_problem(error: ValidationError, place: str) -> InvalidRequestError:
    problem = error.errors(include_url=False, include_input=False)[0]
    field = _field_path(problem["loc"], place)
    more = f" (and {error.error_count() - 1} more problems)" if error.error_count() > 1 else ""
    return InvalidRequestError(f"{field}: {_readable(problem)}{more}", field=field)


def _field_path(location: tuple[int | str, ...], place: str) -> str:
    """`("documents", 3, "object", "content")` as `documents[3].content`."""
    path = place
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
