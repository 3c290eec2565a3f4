"""Whether a tokenizer is the one that its model was trained with, as far as can be told without training data."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# In many scripts, since a tokenizer need not know more than one.
_TEXTS: Final = (
    "The tower is 300 metres high, and bread dough rises in a warm kitchen.",
    "La tour mesure 300 mètres de haut et le marché ouvre à sept heures.",
    "Башня имеет высоту 300 метров, а рынок открывается в семь часов.",
    "这座塔高三百米，市场七点开门。",
    "この塔は高さ三百メートルで、市場は七時に開きます。",
    "이 탑의 높이는 300미터이고 시장은 일곱 시에 엽니다.",
    "يبلغ ارتفاع البرج ثلاثمئة متر ويفتح السوق في السابعة.",
    "मीनार तीन सौ मीटर ऊँची है और बाज़ार सात बजे खुलता है।",
)
_MOST_UNKNOWN: Final = 0.5

# Cuneiform, which no model of today reads.
_UNKNOWN_WORD: Final = "\U00012000"

# Tables are rounded up to a multiple of 64 or so; a vocabulary that fills this little of one has lost its end.
_LEAST_FILLED: Final = 0.5
_SUSPICIOUSLY_FILLED: Final = 0.9

logger = logging.getLogger(__name__)


def check_vocabulary(tokenizer: Tokenizer, special_ids: list[int], table_rows: int | None) -> None:
    """Raises ConfigurationError for a tokenizer that is not of the model whose embedding table has `table_rows`.

    `special_ids` are the tokens that it puts around every pair.
    """
    if table_rows is not None:
        _check_size(tokenizer, table_rows)
    unknown = _unknown_id(tokenizer)
    if unknown is not None and unknown in special_ids:
        raise ConfigurationError("the model's tokenizer lacks the special tokens that it puts around every pair")
    if min(_share_unknown(tokenizer, text, unknown) for text in _TEXTS) > _MOST_UNKNOWN:
        raise ConfigurationError("the model's tokenizer reads every word as unknown: its vocabulary is not there")


def _check_size(tokenizer: Tokenizer, table_rows: int) -> None:
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if highest >= table_rows:
        raise ConfigurationError(
            f"the model's tokenizer gives ids up to {highest}, and its embedding table ends at {table_rows - 1}: "
            "it is another model's"
        )
    filled = (highest + 1) / table_rows
    if filled < _LEAST_FILLED:
        raise ConfigurationError(
            f"the model's tokenizer knows {highest + 1} tokens of the {table_rows} in its embedding table: "
            "its vocabulary was cut off or is another model's"
        )
    if filled < _SUSPICIOUSLY_FILLED:
        logger.warning("the tokenizer knows %d tokens of the %d in the embedding table", highest + 1, table_rows)


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of words that are not in the vocabulary, learnt from one; of a single byte where every byte is in it."""
    ids = tokenizer.encode(_UNKNOWN_WORD, add_special_tokens=False).ids
    return int(ids[-1]) if ids else None


def _share_unknown(tokenizer: Tokenizer, text: str, unknown: int | None) -> float:
    """Of the tokens of `text`; 1 where there are none, or all are the same."""
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return 1.0 if len(set(ids)) <= 1 else sum(token == unknown for token in ids) / len(ids)
