"""From bytes to a model: every way it can fail is an error of ours that quotes nothing."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from bentorank.errors import BentorankError, InvalidRequestError, MalformedBodyError, UnsupportedMediaTypeError
from bentorank.http.dialects.dialect import JobRules
from bentorank.http.dialects.limits import RequestLimits
from bentorank.http.dialects.native import to_job
from bentorank.http.dialects.native_request import RerankBatchBody, RerankBody
from bentorank.http.routes.body import read_as, read_json

LIMITS = RequestLimits(
    max_documents=4,
    max_document_chars=20,
    max_query_chars=10,
    max_batch_requests=2,
    max_json_items=1000,
    max_json_depth=64,
)
RULES = JobRules(LIMITS)


def read(body, model=RerankBody, content_type="application/json", **headers):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    sent = {"content-type": content_type, **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    parsed = finished(read_json(Request({"type": "http", "headers": raw}, receive), LIMITS))
    return read_as(model, parsed.object)


def finished(coroutine):
    """The result of a coroutine that never waits for more than its next turn."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
request_like = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys((*RerankBody.model_fields, "requests"), json_values),
)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body):
    """Nothing but our own errors."""
    with pytest.raises(InvalidRequestError):
        read(body)


@given(request_like)
def test_any_json_makes_a_job_or_a_named_error(value):
    """Whatever JSON comes: a job within the limits, or an error of ours that starts with a field of the request."""
    body = orjson.dumps(value) if fits(value) else b"{}"
    try:
        job = to_job(read(body), RULES, 0.0)
    except MalformedBodyError:
        pass
    except InvalidRequestError as error:
        assert error.message.split(":")[0].split("[")[0].split(".")[0] in RerankBody.model_fields, error.message
    else:
        assert not job.query.isspace()
        assert 0 < len(job.documents) <= LIMITS.max_documents


def fits(value):
    """Whether orjson can write it: integers of 64 bits, no lone surrogates."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@given(request_like)
def test_any_json_makes_a_batch_or_an_error(value):
    """Likewise for several requests."""
    body = orjson.dumps(value) if fits(value) else b"{}"
    try:
        batch = read(body, RerankBatchBody)
        for i, request in enumerate(batch.requests):
            to_job(request, RULES, 0.0, field_prefix=f"requests[{i}].")
    except BentorankError as error:
        assert error.message.startswith("requests")


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("application/json", True),
        ("APPLICATION/JSON ; charset=utf-8", True),
        ("application/problem+json", True),
        ("", False),
        ("text/json", False),
        ("application/jsonl", False),
        ("application/vnd.bentoml+pickle", False),
    ],
)
def test_media_types(content_type, accepted):
    """JSON by name or by suffix, and nothing else."""
    body = b'{"query": "a", "documents": ["b"]}'
    if accepted:
        assert read(body, content_type=content_type).query == "a"
    else:
        with pytest.raises(UnsupportedMediaTypeError, match=r"must be application/json$"):
            read(body, content_type=content_type)


def test_a_compressed_body_is_not_read():
    """It is refused by its header, whatever it holds."""
    with pytest.raises(UnsupportedMediaTypeError, match=r"compressed bodies are not read$"):
        read(b"{}", content_encoding="gzip")


def test_a_long_media_type_is_not_echoed_in_full():
    """An error stays a sentence."""
    with pytest.raises(UnsupportedMediaTypeError) as caught:
        read(b"{}", content_type="x/" + "y" * 5000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"query": "q" * 11}, "limit of 10"),
        ({"documents": ["d"] * 5}, "limit of 4"),
        ({"documents": ["d" * 21]}, "limit of 20"),
    ],
)
def test_limits_are_named(options, limit):
    """One past each limit."""
    body = RerankBody(**{"query": "q", "documents": ["d"], **options})
    with pytest.raises(InvalidRequestError, match=limit):
        to_job(body, RULES, 0.0)


def test_what_is_at_the_limits_passes():
    """All of them at once."""
    body = RerankBody(query="q" * 10, documents=["d" * 20] * 4)
    assert len(to_job(body, RULES, 0.0).documents) == 4
