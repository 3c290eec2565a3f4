"""Texts on which tokenizers differ when they differ at all, and whether two agree on them."""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bentorank.engines.tokenisers import Tokeniser

# One in thirteen of the characters of all scripts in use, those of Chinese and emoji among them.
_CODE_POINTS: Final = range(0, 0x20000, 13)
_SURROGATES: Final = range(0xD800, 0xE000)
_CHARACTERS_A_TEXT: Final = 16
_WORDS: Final = 1000

# What goes around them: words, digits, marks that combine with what is before them, and scripts without spaces.
_CONTEXTS: Final = ("{}", "a{}b", "Ünïcode {}\u0301 1{}2", "中{}文", "##{}")

_PECULIAR: Final = (
    "",
    " ",
    " \t\n\r\x0b\x0c\x1c\x85\u00a0\u2003\u2028\u3000\ufeff\u200b ",
    "\x00\x01\x7f\ufffd\U000e0001",
    "İstanbul ıI ΌΣΟΣ ὈΔΥΣΣΕΎΣ ß ẞ ŉ ǰ",
    "e\u0301 \u00e9 a\u0328\u0301 \u0301\u0301 क्षत्रिय กำลัง 한국어 \u1112\u1161\u11ab",
    "ﬁnal ﬀ Ⅷ ½ ① ㍿ ﷺ ｆｕｌｌ　ｗｉｄｔｈ",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 ☎️",
    "don't can't it's 'tis rock'n'roll U.S.A. e-mail a_b a/b $5.99 50% C++ #tag @name",
    "x" * 99 + " " + "x" * 100 + " " + "x" * 101 + " " + "é" * 150,
    "a" + "\u0301" * 120,
)


def telling_texts(vocabulary: Iterable[str]) -> list[str]:
    """Some two thousand short texts: words of the `vocabulary`, characters of all scripts, and what is peculiar."""
    words = sorted(vocabulary)
    sampled = words[:: max(1, len(words) // _WORDS)]
    joined = [f"{one}{other} {one}" for one, other in pairwise(sampled)]
    characters = [chr(point) for point in _CODE_POINTS if point not in _SURROGATES]
    groups = ("".join(characters[at : at + _CHARACTERS_A_TEXT]) for at in range(0, len(characters), _CHARACTERS_A_TEXT))
    in_context = [context.replace("{}", group) for group, context in zip(groups, cycle(_CONTEXTS), strict=False)]
    return [*_PECULIAR, *joined, *in_context]


def agree_on(texts: Sequence[str], one: Tokeniser, other: Tokeniser) -> bool:
    """Whether both give each text the same ids."""
    return one(list(texts)) == other(list(texts))
