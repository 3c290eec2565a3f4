"""Request ids: the caller's if it can stand in a log line and a header, else a new one."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from bentorank.http.edge.request_context import begin_request, context_of


def scope_of(*ids):
    return {"type": "http", "headers": [(b"x-request-id", sent) for sent in ids]}


@given(st.from_regex(r"[A-Za-z0-9._:@=+/-]{1,128}", fullmatch=True).filter(str.isascii))
def test_a_usable_id_is_kept(sent):
    """So that the caller finds its request in our log."""
    assert begin_request(scope_of(sent.encode())).request_id == sent


@given(st.binary(max_size=200))
@example(b"fine\n")
@example(b"a" * 129)
@example(b"\r\nX-Evil: 1")
def test_whatever_is_sent_the_id_is_harmless(sent):
    """One line, ASCII, bounded."""
    request_id = begin_request(scope_of(sent)).request_id
    assert re.fullmatch(r"[A-Za-z0-9._:@=+/-]{1,128}", request_id)
    assert not request_id.endswith("\n")


def test_without_an_id_each_request_gets_its_own():
    """Unique, and the first counts where several were sent."""
    assert begin_request(scope_of()).request_id != begin_request(scope_of()).request_id
    assert begin_request(scope_of(b"one", b"two")).request_id == "one"


def test_the_context_is_found_again_in_the_scope():
    """Both ends of the middleware chain see the same object."""
    scope = scope_of()
    context = begin_request(scope)
    assert context_of(scope) is context
