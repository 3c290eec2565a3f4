"""What is told of a JSON text from its bytes is what a parser finds in it."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.errors import PayloadTooLargeError
from bentorank.http.routes.json_structure import PIECE_BYTES, check_items, has_wide_integer, is_deeper_than
from bentorank.http.routes.surrogates import replace_lone_surrogates

texts = st.text(st.sampled_from('",:[{}]\\/ux0123456789dD8aé\n😀'), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=5) | st.dictionaries(texts, children, max_size=5),
    max_leaves=20,
)
# In a long body the value stands across the border of two pieces that are looked at in turn.
paddings = st.sampled_from([0, PIECE_BYTES - 40, PIECE_BYTES - 20, PIECE_BYTES - 8, 2 * PIECE_BYTES - 30])


def finished(coroutine):
    """The result of a coroutine that never waits for more than its next turn."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


def written(value, padding, *, ascii_only):
    """The value in a list behind so many characters of text, commas and backslashes among them."""
    return json.dumps(["\\," * (padding // 3), value], ensure_ascii=ascii_only).encode()


def things(value):
    """What counts: whatever follows a comma or a colon, and every list and object."""
    if isinstance(value, dict):
        return 1 + max(0, len(value) - 1) + len(value) + sum(map(things, value.values()))
    if isinstance(value, list):
        return 1 + max(0, len(value) - 1) + sum(map(things, value))
    return 0


def depth(value):
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max(map(depth, children), default=0)


def integers(value):
    if isinstance(value, dict):
        return integers([*value.values()])
    if isinstance(value, list):
        return [number for item in value for number in integers(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


@given(values, paddings, st.booleans())
def test_items_are_counted_outside_texts(value, padding, ascii_only):
    """One more than the limit is refused, the limit is not."""
    body, count = written(value, padding, ascii_only=ascii_only), things(["", value])
    finished(check_items(body, count))
    with pytest.raises(PayloadTooLargeError, match=f"the limit of {count - 1} values"):
        finished(check_items(body, count - 1))


wide = st.integers(-(10**40), 10**40) | st.sampled_from([2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**18, 10**19])


@given(st.lists(values | wide | st.sampled_from([1e300, 1.2345678901234567e-7, "1" * 30, '"' + "1" * 30])), paddings)
def test_wide_integers_are_found(value, padding):
    """Not in texts and not in fractions; wherever they stand."""
    expected = any(not -(2**63) <= number < 2**64 for number in integers(value))
    assert finished(has_wide_integer(written(value, padding, ascii_only=False))) == expected


@pytest.mark.parametrize(
    "number", ["0." + "1" * 40, "1" * 40 + ".5", "1" * 25 + "e3", "-1." + "9" * 30, "1e" + "0" * 30]
)
def test_a_fraction_may_have_many_digits(number):
    """It is rounded, as every number of JSON may be."""
    assert not finished(has_wide_integer(f'{{"a":{number}}}'.encode()))


@given(values, st.integers(1, 6))
def test_depth_is_the_number_of_brackets_around_a_value(value, levels):
    """As a recursion counts them."""
    assert is_deeper_than(levels, value) == (depth(value) > levels)


units = st.lists(
    st.sampled_from(
        [r"\ud83d", r"\ude00", r"\uD83D", r"\uDEFF", r"\\", r"\\ud800", r"\n", r"\"", "u", "d800", r"\u0041"]
    ),
    max_size=12,
)


@given(units, paddings)
def test_lone_surrogates_are_replaced_as_python_finds_them(pieces, padding):
    """Python reads them and tells which are no characters."""
    body = b'["' + b"x" * padding + b'","' + "".join(pieces).encode() + b'"]'
    read = json.loads(body)[1]
    mended, count = finished(replace_lone_surrogates(body))
    assert count == sum("\ud800" <= character <= "\udfff" for character in read)
    expected = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in read)
    assert orjson.loads(mended)[1] == expected
