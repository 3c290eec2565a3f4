"""The native API as bytes: requests to send, answers to read. No I/O; see the service's `/docs`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from bentorank_client.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InvalidResponseError,
    OverloadedError,
    RateLimitError,
)
from bentorank_client.json_text import decode
from bentorank_client.request_body import request_body
from bentorank_client.results import FirstStageUsage, RankedDocument, RerankResult, Span, Timings, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bentorank_client.options import ClientOptions
    from bentorank_client.splitting import Part

TIMEOUT_HEADER = "X-Request-Timeout"
REQUEST_ID_HEADER = "X-Request-Id"
# Of the time that is left, for the way there and back, if the service is to answer before it is over: a tenth, within
# these bounds, and never more than half.
WAY_SHARE, MIN_WAY_S, MAX_WAY_S = 0.1, 0.05, 1.0
MAX_MESSAGE_CHARS = 300
USAGE_FIELDS = tuple(usage.name for usage in fields(Usage) if usage.name != "first_stage")
TIMINGS_FIELDS = tuple(timing.name for timing in fields(Timings) if timing.name != "first_stage")

_KINDS = {401: AuthenticationError, 403: AuthenticationError, 429: RateLimitError, 503: OverloadedError}
_BAD_REQUEST_STATUSES = frozenset({400, 404, 405, 413, 415, 422})
_WHAT_TO_DO = {
    401: "check api_key or BENTORANK_API_KEY",
    403: "check api_key or BENTORANK_API_KEY",
    404: "check base_url, its path included",
    429: "send less at once, or give the service more replicas",
    503: "the service is starting or stopping; try again shortly",
}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What goes out, but for the server and the time left."""

    method: str
    path: str
    body: bytes = field(default=b"", repr=False)
    warnings: tuple[str, ...] = ()
    """What of the caller's could not be sent as it was."""
    cache_control: str | None = None
    """What the service may do with remembered scores, as that header says it; None lets it use and remember them."""
    in_time: bool = False
    """Whether the service is to answer before the caller's time is up, with what it has by then."""

    def time_for_service_s(self, time_left_s: float) -> float:
        """How much of what is left the service is told of."""
        way_s = min(max(MIN_WAY_S, WAY_SHARE * time_left_s), MAX_WAY_S, time_left_s / 2) if self.in_time else 0.0
        return max(time_left_s - way_s, 0.001)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    server: str = "the reranking service"
    """Where it came from, for messages."""


def rerank_request(part: Part) -> HttpRequest:
    """`POST /rerank`. Raises ValueError that names the document which cannot be sent."""
    asked = part.request
    body = request_body(asked, part.first)
    return HttpRequest(
        "POST",
        "/rerank",
        body.content,
        body.warnings,
        cache_control="no-store" if asked.no_store else "no-cache" if asked.no_cache else None,
        in_time=asked.on_deadline == "partial",
    )


def headers_for(
    request: HttpRequest, options: ClientOptions, *, user_agent: str, request_id: str, time_left_s: float
) -> dict[str, str]:
    """Identity, and until when an answer is worth having: the service drops work that comes too late."""
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": user_agent,
        REQUEST_ID_HEADER: request_id,
        TIMEOUT_HEADER: f"{request.time_for_service_s(time_left_s):.3f}",
    }
    if request.cache_control is not None:
        headers["Cache-Control"] = request.cache_control
    if options.key:
        headers["Authorization"] = f"Bearer {options.key.get_secret_value()}"
    return headers


def read_ranking(response: HttpResponse, part: Part, warnings: tuple[str, ...] = ()) -> RerankResult:
    """The ranking of the documents of `part`, by their positions in the whole list.

    Raises APIStatusError or InvalidResponseError.
    """
    # The status first: an error's body parsed as an answer would be a ranking of no documents.
    raise_for_status(response, part)
    body = read_json(response)
    try:
        results = tuple([_ranked(row, part.first) for row in body["results"]])
        usage = _usage(body["usage"])
        timings = _timings(body.get("timings_ms"))
        said = [part.in_whole(str(warning)) for warning in body.get("warnings") or ()]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InvalidResponseError(
            f"the answer of {response.server} is not that of bentorank's POST /rerank; check base_url"
        ) from None  # the cause may quote the answer
    _check(results, part)
    return RerankResult(
        results,
        model=_text(body.get("model")),
        usage=usage,
        request_id=_text(body.get("id")),
        warnings=(*warnings, *said),
        timings_ms=timings,
    )


def read_json(response: HttpResponse) -> dict[str, Any]:
    """The body of a successful answer."""
    try:
        body = decode(response.body)
    except ValueError:
        raise InvalidResponseError(f"the answer of {response.server} is not JSON; check base_url") from None
    if not isinstance(body, dict):
        raise InvalidResponseError(f"the answer of {response.server} is not a JSON object; check base_url")
    return body


def raise_for_status(response: HttpResponse, part: Part | None = None) -> None:
    """Raise what the status means, in the service's own words if they are bentorank's."""
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004 - as HTTP has it
        return
    kind = _KINDS.get(status, BadRequestError if status in _BAD_REQUEST_STATUSES else APIStatusError)
    envelope = _envelope(response.body)
    code = _text(envelope.get("code"))
    message = f"{response.server} answered {status}"
    if envelope:
        said = str(envelope["message"])[:MAX_MESSAGE_CHARS]
        message += f": {said if part is None else part.in_whole(said)}"
    if hint := _hint(status, code):
        message += f" ({hint})"
    raise kind(
        message,
        status=status,
        code=code,
        request_id=_text(envelope.get("request_id")) or response.headers.get(REQUEST_ID_HEADER.lower()),
        retry_after_s=retry_after_s(response.headers),
    )


def _hint(status: int, code: str | None) -> str | None:
    """What the caller can do about it."""
    if 300 <= status < 400:  # noqa: PLR2004 - as HTTP has it
        return "the address redirects; set base_url to where it leads"
    if code == "model_not_found":
        return "check model, or leave it out"
    if code == "no_first_stage":
        return "check first_stage and keep; models() names what there is"
    return _WHAT_TO_DO.get(status)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After-Ms`, or `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); None if absent or absurd."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        text = headers.get(name)
        if text is None:
            continue
        try:
            seconds = float(text) * unit_s
        except ValueError:
            seconds = _seconds_until(text)
        if 0 <= seconds < math.inf:
            return seconds
    return None


def _seconds_until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _envelope(body: bytes) -> dict[str, Any]:
    """The error body, if it is bentorank's: anything else may repeat the documents, which no message may hold."""
    try:
        envelope = decode(body)
    except ValueError:
        return {}
    is_ours = isinstance(envelope, dict) and {"code", "message", "error_type", "request_id"} <= envelope.keys()
    return envelope if is_ours else {}


def _ranked(row: dict[str, Any], first: int) -> RankedDocument:
    index, span = row["index"], row.get("span")
    unscored = row.get("unscored")
    if type(index) is not int or not isinstance(unscored, str | None) or unscored == "":
        raise TypeError
    return RankedDocument(
        first + index,
        float(row["relevance_score"]) if unscored is None else -math.inf,
        bool(row.get("truncated", False)),
        None if span is None else Span(int(span["start"]), int(span["end"])),
        unscored,
    )


def _usage(said: dict[str, Any]) -> Usage:
    first = said.get("first_stage")
    return Usage(
        **{name: int(said[name]) for name in USAGE_FIELDS},
        first_stage=None
        if first is None
        else FirstStageUsage(
            str(first["name"]), int(first["pairs"]), int(first["tokens"]), int(first["pruned_documents"])
        ),
    )


def _timings(said: dict[str, Any] | None) -> Timings | None:
    if said is None:
        return None
    first = said.get("first_stage")
    return Timings(
        **{name: float(said[name]) for name in TIMINGS_FIELDS}, first_stage=None if first is None else float(first)
    )


def _check(results: tuple[RankedDocument, ...], part: Part) -> None:
    """Raises InvalidResponseError where a document is ranked twice, one that was not sent, or too few or many."""
    request, count = part.request, len(part.request.documents)
    indices = {ranked.index for ranked in results}
    wanted = min(request.top_n or count, count)
    complete = len(results) == wanted or (request.score_threshold is not None and len(results) < wanted)
    in_range = not indices or (part.first <= min(indices) and max(indices) < part.first + count)
    finite = all(map(math.isfinite, [ranked.score or 0.0 for ranked in results]))
    if not (complete and in_range and finite and len(indices) == len(results)):
        raise InvalidResponseError(
            f"the answer is not a ranking of the {count} documents sent: {len(results)} results,"
            f" {len(indices)} of them different"
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
