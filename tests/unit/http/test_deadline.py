"""Deadlines: a positive finite duration, or InvalidRequestError; never anything else."""

import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from bentorank.errors import InvalidRequestError
from bentorank.http.edge.deadline import deadline_of, parse_grpc_timeout, parse_seconds

near_durations = st.text(alphabet="0123456789.eE+-_ HMSmunxinf\n٣", max_size=14)


@pytest.mark.parametrize("parse", [parse_seconds, parse_grpc_timeout])
@given(text=st.one_of(near_durations, st.text(max_size=20)))
@example(text="1\n")
@example(text="0.000000001")
@example(text="99999999H")
def test_any_text_is_a_positive_finite_duration_or_refused(parse, text):
    """No NaN, no infinity, no zero, no other exception."""
    try:
        seconds = parse(text)
    except InvalidRequestError as error:
        assert error.field in {"X-Request-Timeout", "grpc-timeout"}
    else:
        assert math.isfinite(seconds)
        assert seconds > 0
        assert text.isascii()
        assert text == text.strip()


@given(st.decimals(min_value="0.000001", max_value="999999", places=6))
def test_decimal_seconds_are_read_as_written(seconds):
    """As `X-Request-Timeout` carries them."""
    assert parse_seconds(f"{seconds:f}") == pytest.approx(float(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1H", 3600), ("2M", 120), ("3S", 3), ("4m", 0.004), ("5u", 5e-6), ("6n", 6e-9), ("00000001S", 1)],
)
def test_grpc_units(text, seconds):
    """Capital M is minutes, small m milliseconds."""
    assert parse_grpc_timeout(text) == pytest.approx(seconds)


@given(
    cap=st.floats(0.001, 3600),
    body_ms=st.none() | st.floats(0.001, 1e9),
    header=st.none() | st.integers(1, 10**6),
    grpc=st.none() | st.integers(1, 10**6),
    waited=st.floats(0, 100),
)
def test_the_smallest_of_all_deadlines_counts(cap, body_ms, header, grpc, waited):
    """The server's cap since the body has come; that of the body and both headers since the request began."""
    headers = Headers(
        {
            **({} if header is None else {"X-Request-Timeout": str(header)}),
            **({} if grpc is None else {"Grpc-Timeout": f"{grpc}m"}),
        }
    )
    began = time.monotonic() - waited
    candidates = [cap + waited]
    candidates += [] if body_ms is None else [body_ms / 1e3]
    candidates += [] if header is None else [header]
    candidates += [] if grpc is None else [grpc / 1e3]
    deadline = deadline_of(headers, body_ms, began=began, cap_s=cap)
    late = time.monotonic() - began - waited
    assert began + min(candidates) - 1e-6 <= deadline <= began + min(candidates) + late + 1e-6
