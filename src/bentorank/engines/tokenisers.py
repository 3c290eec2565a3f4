"""Texts to token ids in one buffer: as the tokenizers library does it, or faster where that gives the same ids.

The library is the reference. A faster one is taken only after it agreed on many texts, and is still compared with it
now and then while it serves: at the first difference it is left for good.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from bentorank.engines.token_buffer import as_buffer
from bentorank.engines.tokeniser_check import agree_on, telling_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

# Of a thousand texts one costs what forty take the faster one: a twenty-fifth of its gain.
_TEXTS_BETWEEN_CHECKS: Final = 1000
_LONGEST_CHECKED_CHARS: Final = 20_000

# Words that each thread remembers. A million, its default, took 500 MB of a stranger's random words; this takes 5 a
# thread and reads abstracts as fast.
_REMEMBERED_WORDS: Final = 1 << 14

logger = logging.getLogger(__name__)


class Tokeniser(Protocol):
    """Any thread may call it."""

    def __call__(self, texts: list[str]) -> list[memoryview]:
        """The ids of each text, int64, without special tokens."""
        ...


class ReferenceTokeniser:
    """The tokenizers library: every family of models."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: list[str]) -> list[memoryview]:
        """As Tokeniser says."""
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [as_buffer(encoding.ids) for encoding in encodings]


class WordPieceTokeniser:
    """The package `nanotoken`: BERT's WordPiece, with the GIL released and no list of ids.

    Raises ValueError for any other tokenizer, ImportError where it is not installed.
    """

    def __init__(self, tokenizer_json: str) -> None:
        from nanotoken.nanotoken_rs import WordPieceTokenizer, set_cache_entries  # noqa: PLC0415 - an extra

        set_cache_entries(_REMEMBERED_WORDS)
        self._tokenizer = WordPieceTokenizer.from_json(tokenizer_json)

    def __call__(self, texts: list[str]) -> list[memoryview]:
        """As Tokeniser says."""
        # Not on threads of its own: a request takes less than handing it to them.
        ids, bounds = self._tokenizer.encode_batch(texts, add_special_tokens=False, parallel=False)
        buffer = ids.astype(np.int64).data
        return [buffer[start:end] for start, end in pairwise(bounds.tolist())]


class ComparedTokeniser:
    """A faster tokeniser that is compared with the reference on one of a thousand texts, and left where they differ."""

    def __init__(self, fast: Tokeniser, reference: Tokeniser) -> None:
        self._fast: Tokeniser | None = fast
        self._reference = reference
        self._until_check = _TEXTS_BETWEEN_CHECKS

    def __call__(self, texts: list[str]) -> list[memoryview]:
        """As Tokeniser says."""
        if (fast := self._fast) is None:
            return self._reference(texts)
        try:
            ids = fast(texts)
        except BaseException as error:
            # Rust's panics are no Exception. If the reference cannot read the texts either, its error is the answer.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return self._without_fast(texts, type(error).__name__)
        return ids if self._agrees(texts, ids) else self._without_fast(texts, "other ids")

    def _agrees(self, texts: list[str], ids: Sequence[memoryview]) -> bool:
        """As far as it is looked at. Threads that meet here may look twice or not at all, which does no harm."""
        self._until_check -= len(texts)
        if self._until_check > 0 or not texts:
            return True
        place = self._until_check % len(texts)
        if len(texts[place]) > _LONGEST_CHECKED_CHARS:
            return True  # the next request then
        self._until_check = _TEXTS_BETWEEN_CHECKS
        (reference,) = self._reference([texts[place]])
        return ids[place] == reference

    def _without_fast(self, texts: list[str], reason: str) -> list[memoryview]:
        ids = self._reference(texts)
        self._fast = None
        logger.error("the fast tokenizer failed (%s): from here on the tokenizers library reads alone", reason)
        return ids


def choose_tokeniser(tokenizer: Tokenizer, tokenizer_json: str, *, fast: bool) -> Tokeniser:
    """The fastest that gives the ids of `tokenizer`, which does neither cut nor pad; itself unless `fast` is wanted."""
    reference = ReferenceTokeniser(tokenizer)
    if not fast:
        return reference
    try:
        word_piece = WordPieceTokeniser(tokenizer_json)
    except (ImportError, ValueError):
        return reference
    if not agree_on(telling_texts(tokenizer.get_vocab(with_added_tokens=True)), word_piece, reference):
        logger.warning("the fast tokenizer reads some texts otherwise than the tokenizers library: it is not used")
        return reference
    return ComparedTokeniser(word_piece, reference)
