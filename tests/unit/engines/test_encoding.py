"""Token ids equal those of transformers, cuts fall on the passage, and threads do not meet."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from bentorank.engines.encoding import PairEncoder
from bentorank.errors import ConfigurationError, InvalidRequestError
from bentorank.types import LengthPolicy, Overflow, Pair

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.types import EncodedPair

FAMILIES = ["bert", "xlm-roberta", "modernbert", "deberta-v2"]
PASSAGES = st.text(st.sampled_from("aeinrst .,'éü数据\n\t-[]/"), max_size=300)

# Letters with and without marks, marks alone, scripts without spaces, joined emoji, what shows nothing, long words.
SCRIPTS = (
    "river Straße İstanbul 数据库 ひらがな 한국어 ภาษาไทย हिन्दी עִבְרִית العربيّة Ελληνικά кириллица 👩‍👩‍👧 🇨🇭 😀 𝕏 ﬁ …"
)
MARKS = ["e\u0301\u0323", "\u0301", "\u200b", "\u00ad", "\ufffd", "\t", "\n", "[SEP]", "[PAD]", "</s>", "3.14", "don't"]
PIECES = st.sampled_from([*SCRIPTS.split(), *MARKS, "a" * 120, "x" * 99 + "é"])
ANY_TEXT = st.lists(PIECES | st.text(max_size=6), max_size=14).map(" ".join)


@pytest.fixture(params=FAMILIES)
def tokenizer(request: Any, tiny_model: Any) -> Any:
    """transformers' own tokenizer of each family."""
    return AutoTokenizer.from_pretrained(tiny_model(request.param), local_files_only=True)


def _encoder(tokenizer: Any, max_tokens: int = 96, prompt: str = "") -> PairEncoder:
    return PairEncoder(
        tokenizer.backend_tokenizer.to_str(),
        max_tokens=max_tokens,
        token_types="token_type_ids" in tokenizer.model_input_names,
        prompt=prompt,
    )


def _reference(tokenizer: Any, query: str, passage: str, **truncation: Any) -> dict[str, list[int]]:
    """What sentence-transformers has tokenised: a batch of lists, in which an empty passage is a passage still."""
    batch = tokenizer([[query, passage]], **truncation)
    return {name: rows[0] for name, rows in batch.items()}


def _assert_same(encoded: EncodedPair, expected: Any) -> None:
    assert encoded.input_ids.tolist() == expected["input_ids"]
    types = None if encoded.token_type_ids is None else encoded.token_type_ids.tolist()
    assert types == expected.get("token_type_ids")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.builds(Pair, st.sampled_from(["", "river", "数据库 e\u0301"]), ANY_TEXT), max_size=8))
def test_pairs_joined_together_have_the_ids_of_each(tokenizer: Any, pairs: list[Pair]) -> None:
    """In a request of many scripts and lengths every pair has what transformers gives it alone."""
    encoded = _encoder(tokenizer).encode(pairs)
    for pair, own in zip(pairs, encoded, strict=True):
        expected = _reference(tokenizer, *pair, truncation="longest_first", max_length=96)
        _assert_same(own, expected)
        assert own.length == len(expected["input_ids"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text("abc é数", max_size=8), passage=PASSAGES)
def test_ids_equal_those_of_transformers(tokenizer: Any, query: str, passage: str) -> None:
    """Whole or truncated, a pair has the ids and segments that transformers gives it."""
    expected = _reference(tokenizer, query, passage, truncation="longest_first", max_length=96)
    encoded = _encoder(tokenizer).encode([Pair(query, passage)])[0]
    _assert_same(encoded, expected)
    assert encoded.truncated == (len(_reference(tokenizer, query, passage)["input_ids"]) > 96)


def test_a_very_long_passage_keeps_its_ids(tokenizer: Any, tiny_models: Any) -> None:
    """Passages that are cut before tokenising come out as if they had not been."""
    sentences = " ".join(tiny_models.CORPUS)
    long_ones = [
        sentences * 40,
        "word  \n " * 4000,
        " " * 9000 + "end",
        "a" * 9000,
        "数据" * 3000,
        "x" + " " * 9000 + "y",
    ]
    encoded = _encoder(tokenizer).encode([Pair("lamp", passage) for passage in long_ones])
    for passage, pair in zip(long_ones, encoded, strict=True):
        _assert_same(pair, _reference(tokenizer, "lamp", passage, truncation="only_second", max_length=96))
        assert pair.truncated == (len(_reference(tokenizer, "lamp", passage)["input_ids"]) > 96)


ODD_TEXTS = {
    "combining marks": "a" + "\u0323\u0301" * 60,
    "nothing but combining marks": "\u0323\u0301",
    "right to left": "\u202e\u05d0\u05d1 ",
    "zero width": "\u200b\u200d\u2060",
    "emoji joined": "\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f",
    "variation selectors": "\U000e0100",
    "one word": "a",
}


@pytest.mark.parametrize("unit", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_odd_texts_take_time_in_proportion_to_their_length(tokenizer: Any, unit: str) -> None:
    """Ten times the text takes about ten times as long, whether it is cut or split; quadratic work took a hundred."""
    encoder = _encoder(tokenizer)

    def cpu_s(characters: int) -> float:
        text = (unit * characters)[:characters]
        started = time.process_time()
        for policy in (LengthPolicy(), LengthPolicy(overflow=Overflow.CHUNK)):
            encoder.encode_chunks([Pair("lamp", text)], policy)
        return time.process_time() - started

    assert cpu_s(50_000) < 30 * cpu_s(5_000) + 0.1


def test_prompt_goes_before_the_query(tokenizer: Any) -> None:
    """A saved prompt is joined to the query as text."""
    encoded = _encoder(tokenizer, prompt="find: ").encode([Pair("lamp", "light")])[0]
    _assert_same(encoded, _reference(tokenizer, "find: lamp", "light"))


def test_query_beyond_half_of_the_window_is_refused(tokenizer: Any) -> None:
    """The error names the field and the limit; a query at the limit still leaves half for the passage."""
    encoder = _encoder(tokenizer)
    with pytest.raises(InvalidRequestError, match=str(encoder.max_query_tokens)) as refused:
        encoder.encode([Pair("lamp " * 200, "light")])
    assert refused.value.field == "query"


def test_many_queries_in_one_call_keep_their_order(tokenizer: Any) -> None:
    """Pairs of several queries come back in the order they were given."""
    pairs = [Pair(query, passage) for passage in ("one", "two", "three") for query in ("a", "b")]
    for pair, encoded in zip(pairs, _encoder(tokenizer).encode(pairs), strict=True):
        _assert_same(encoded, _reference(tokenizer, pair.query, pair.passage))
    assert _encoder(tokenizer).encode([]) == []


def test_a_window_without_room_is_refused(tokenizer: Any) -> None:
    """A cap that special tokens fill is a contradiction."""
    with pytest.raises(ConfigurationError, match="leaves no room"):
        _encoder(tokenizer, max_tokens=4)


def test_threads_may_encode_at_once(tiny_model: Any, tiny_models: Any) -> None:
    """Eight threads with one encoder agree with a single one."""
    encoder = _encoder(AutoTokenizer.from_pretrained(tiny_model("bert"), local_files_only=True))
    pairs = [Pair("lighthouse", passage) for passage in tiny_models.CORPUS * 5]
    expected = [pair.input_ids.tolist() for pair in encoder.encode(pairs)]
    with ThreadPoolExecutor(8) as threads:
        for encoded in threads.map(lambda _: encoder.encode(pairs), range(40)):
            assert [pair.input_ids.tolist() for pair in encoded] == expected


def test_saved_tokenizer_settings_do_not_leak_in(tiny_model: Any, tmp_path: Path) -> None:
    """Truncation and padding saved in tokenizer.json neither cut nor pad."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"), local_files_only=True)
    expected = _reference(tokenizer, "lamp", "light " * 20)
    tokenizer.backend_tokenizer.enable_truncation(max_length=8)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    _assert_same(_encoder(tokenizer).encode([Pair("lamp", "light " * 20)])[0], expected)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(passage=PASSAGES, overlap=st.integers(0, 20))
def test_chunks_are_the_passage_at_their_spans(tokenizer: Any, passage: str, overlap: int) -> None:
    """Chunk by chunk the ids of the whole passage, each with the query; spans go from its first to its last token."""
    encoder, query = _encoder(tokenizer, max_tokens=32), "abc"
    policy = LengthPolicy(Overflow.CHUNK, overlap_tokens=overlap)
    (chunks,) = encoder.encode_chunks([Pair(query, passage)], policy)
    plain = encoder.encode([Pair(query, "")])[0].input_ids.tolist()
    begin = next((i for i, (a, b) in enumerate(zip(plain, chunks[0].input_ids.tolist(), strict=False)) if a != b), 0)
    whole = tokenizer(passage, add_special_tokens=False, return_offsets_mapping=True)
    for chunk in chunks:
        assert chunk.length <= 32
        assert not chunk.truncated
        assert chunk.span is not None
        tokens = chunk.input_ids.tolist()[begin : begin + chunk.length - len(plain)]
        assert _contains(whole["input_ids"], tokens)
    offsets = [offset for offset in whole["offset_mapping"] if offset[0] < offset[1]]
    if offsets:
        assert min(chunk.span.start for chunk in chunks) == offsets[0][0]
        assert max(chunk.span.end for chunk in chunks) == offsets[-1][1]


def _contains(ids: list[int], part: list[int]) -> bool:
    return any(ids[start : start + len(part)] == part for start in range(len(ids) - len(part) + 1))
