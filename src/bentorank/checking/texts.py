"""What a model is asked while it is checked: short and long, another script, markup, nothing. Our own sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.evaluation.collection import Task
from bentorank.evaluation.reranking import CandidateList

if TYPE_CHECKING:
    from collections.abc import Sequence

# Longer than 512 tokens of any vocabulary, which is what most models read.
_LONG = "The keeper climbs the stairs every evening, trims the wick and lights the lamp before the ships come in. " * 40

# In a prompt it is text to bentorank and control to sentence-transformers, on purpose: nothing to compare there.
_CONTROL = "[SEP] </s> <|im_end|> are special tokens of some models 🙂"

_LISTS = (
    (
        "how tall is the lighthouse",
        (
            "The lighthouse is 41 metres tall, its lamp 38 metres above the sea.",
            "Bread dough rises faster in a warm kitchen than in a cold one.",
            _LONG,
            f"The tower measures 41 metres. {_LONG}",
            "",
            "tall",
        ),
    ),
    (
        "灯塔有多高？",
        (
            "灯塔高四十一米，灯在海面以上三十八米处。",
            "面团在温暖的厨房里发得更快。",
            "Маяк высотой сорок один метр стоит на скале.",
            "ارتفاع المنارة واحد وأربعون مترا.",
            "Der Leuchtturm ist 41 Meter hoch, sagte der Wärter – „höher als die Kirche“.",
        ),
    ),
    (
        "error 0x80070005: what does it mean?",
        (
            "0x80070005 (E_ACCESSDENIED) says that access was denied.",
            "<p>See <a href='#e'>errors</a> &amp; codes</p>\n\n\tif (code == 0x80070005) { return false; }",
            _CONTROL,
        ),
    ),
)


def check_task(*, prompts: bool) -> Task:
    """The lists, for a model that reads `prompts` or pairs; no judgements, since scores are compared with scores."""
    return Task(
        tuple(
            _list(number, query, [passage for passage in passages if not prompts or passage != _CONTROL])
            for number, (query, passages) in enumerate(_LISTS)
        ),
        qrels={},
        missing=0,
    )


def _list(number: int, query: str, passages: Sequence[str]) -> CandidateList:
    return CandidateList(f"q{number}", query, tuple(f"p{place}" for place in range(len(passages))), tuple(passages))
