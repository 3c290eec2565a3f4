"""The fast tokenizer gives the ids of the tokenizers library, and is left where it does not."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bentorank.engines.token_buffer import as_buffer
from bentorank.engines.tokenisers import (
    ComparedTokeniser,
    ReferenceTokeniser,
    WordPieceTokeniser,
    choose_tokeniser,
)

if TYPE_CHECKING:
    from bentorank.engines.tokenisers import Tokeniser

STARTER = (Path(__file__).parents[3] / "models" / "starter" / "tokenizer.json").read_text(encoding="utf-8")
TEXT = "The tower is 300 metres high."

# Scripts with and without spaces, marks that combine, what shows nothing, ligatures, emoji of several characters,
# words of any length, and what looks like a special token.
RANGES = ["\x00\x7f", "\u0080\u024f", "\u0300\u036f", "\u0370\u05ff", "\u0600\u1fff", "\u2000\u2bff", "\u2e80\ua4cf"]
CHARACTERS = st.one_of(*(st.characters(min_codepoint=ord(r[0]), max_codepoint=ord(r[1])) for r in RANGES))
PIECES = st.one_of(
    st.text(CHARACTERS, max_size=8),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.sampled_from([" ", "\u3000", "[SEP]", "[MASK]", "[cls]", "##ing", "👩‍👩‍👧‍👦", "🇩🇪", "İ", "ς", "ﬁ", "e\u0301"]),
    st.integers(1, 220).map(lambda length: "x" * length),
)
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=6)


@pytest.fixture(scope="module")
def reference() -> ReferenceTokeniser:
    """The shipped model's, by the tokenizers library."""
    tokenizer = Tokenizer.from_str(STARTER)
    tokenizer.no_truncation()
    return ReferenceTokeniser(tokenizer)


@pytest.fixture(scope="module")
def word_piece() -> WordPieceTokeniser:
    """The shipped model's, by nanotoken."""
    return WordPieceTokeniser(STARTER)


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS)
def test_ids_are_those_of_the_library(
    reference: ReferenceTokeniser, word_piece: WordPieceTokeniser, texts: list[str]
) -> None:
    """Whatever the script."""
    assert word_piece(texts) == reference(texts)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_character_of_the_basic_plane_has_the_librarys_ids(
    reference: ReferenceTokeniser, word_piece: WordPieceTokeniser, form: Any
) -> None:
    """Within a word, its marks joined and apart."""
    characters = [chr(point) for point in range(0x10000) if not 0xD800 <= point < 0xE000]
    texts = ["a" + "b".join(characters[at : at + 64]) for at in range(0, len(characters), 64)]
    normalised = [unicodedata.normalize(form, text) for text in texts]
    assert word_piece(normalised) == reference(normalised)


def test_threads_may_tokenise_at_once(word_piece: WordPieceTokeniser) -> None:
    """Each with the ids of its own texts."""
    texts = [[f"{TEXT} {number}", "é" * number] for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(word_piece, texts)) == [word_piece(some) for some in texts]


def test_word_piece_is_read_fast_unless_that_is_off() -> None:
    """The setting goes both ways."""
    tokenizer = Tokenizer.from_str(STARTER)
    assert isinstance(choose_tokeniser(tokenizer, STARTER, fast=True), ComparedTokeniser)
    assert isinstance(choose_tokeniser(tokenizer, STARTER, fast=False), ReferenceTokeniser)


@pytest.mark.parametrize("family", ["xlm-roberta", "modernbert"])
def test_other_tokenizers_are_left_to_the_library(tiny_model: Any, family: str) -> None:
    """Unigram and byte-level BPE."""
    content = (Path(tiny_model(family)) / "tokenizer.json").read_text(encoding="utf-8")
    assert isinstance(choose_tokeniser(Tokenizer.from_str(content), content, fast=True), ReferenceTokeniser)


def test_one_that_reads_otherwise_is_not_taken(caplog: Any) -> None:
    """As where a special token in a text is to be plain text, which is no part of the file."""
    tokenizer = Tokenizer.from_str(STARTER)
    tokenizer.encode_special_tokens = True
    # A command that ran in this process may have quietened the log.
    with caplog.at_level("WARNING", logger="bentorank"):
        assert isinstance(choose_tokeniser(tokenizer, STARTER, fast=True), ReferenceTokeniser)
    assert "it is not used" in caplog.text


def test_a_difference_that_shows_later_ends_its_use(reference: ReferenceTokeniser, caplog: Any) -> None:
    """Within some thousand texts, and the log has no word of them."""

    def wrong(texts: list[str]) -> list[memoryview]:
        return [as_buffer([7]) for _ in texts]

    tokenise = ComparedTokeniser(wrong, reference)
    answers = [tokenise([TEXT] * 100) for _ in range(30)]
    assert answers[-1] == reference([TEXT] * 100)
    assert "other ids" in caplog.text
    assert "tower" not in caplog.text


@pytest.mark.parametrize("error", [ValueError, type("PanicException", (BaseException,), {})])
def test_one_that_fails_is_left_and_the_request_answered(
    reference: ReferenceTokeniser, caplog: Any, error: type[BaseException]
) -> None:
    """Rust's panics among them, which are no Exception."""
    calls = []

    def failing(texts: list[str]) -> list[memoryview]:
        calls.append(texts)
        raise error(TEXT)

    tokenise: Tokeniser = ComparedTokeniser(failing, reference)
    assert [tokenise([TEXT]) for _ in range(3)] == [reference([TEXT])] * 3
    assert len(calls) == 1
    assert error.__name__ in caplog.text
    assert "tower" not in caplog.text


def test_a_text_that_nobody_can_read_says_nothing_of_the_tokenizer(reference: ReferenceTokeniser) -> None:
    """Half of a surrogate pair is the library's error, and the next text is read as before."""
    tokenise = ComparedTokeniser(WordPieceTokeniser(STARTER), reference)
    with pytest.raises(Exception, match=r"surrogates|TextInputSequence"):
        tokenise(["\ud800"])
    assert tokenise._fast is not None
