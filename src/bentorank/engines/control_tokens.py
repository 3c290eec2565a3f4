"""The tokens that only a prompt may have: where a text spells one, it is read as the text that it is.

Else who writes a document could end its turn and go on as the system, or answer in the place of the model.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)


class ControlTokens:
    """Those that a tokenizer marks as special, and those of its added ones that the prompt's own `texts` have.

    Any thread may use it.
    """

    def __init__(self, tokenizer_json: str, texts: Sequence[str]) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        parts = json.loads(tokenizer_json)
        in_prompt = {token for text in texts for token in self.read(text)}
        added = parts.get("added_tokens") or []
        # Spaces are text: some tokenizers have an added token for two newlines.
        own = [each for each in added if each["special"] or (each["id"] in in_prompt and each["content"].strip())]
        self._spellings = [each["content"] for each in own]
        self.ids = frozenset(each["id"] for each in own)
        parts["added_tokens"] = [each | {"special": each["id"] in self.ids} for each in added]
        self.tokenizer_of_texts = json.dumps(parts)

    def read(self, text: str) -> list[int]:
        """The ids of a text of the prompt's own."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids) if text else []

    def are_in(self, text: str) -> bool:
        """Whether that text spells one."""
        return not self.ids.isdisjoint(self.read(text))

    def split_around(self, before: str, after: str) -> tuple[list[int], str, str, list[int]]:
        """The prompt's texts around a query: ids up to the last control token before it, the text from there to the
        query, the text from it to the next control token, and the ids from there on.

        An added token is cut out before anything else is read, so what stands on its sides does not merge across it.
        """
        left = self._tokenizer.encode(before, add_special_tokens=False)
        places = [place for place, token in enumerate(left.ids) if token in self.ids]
        count, start = (places[-1] + 1, left.offsets[places[-1]][1]) if places else (0, 0)
        right = self._tokenizer.encode(after, add_special_tokens=False)
        first = next((place for place, token in enumerate(right.ids) if token in self.ids), None)
        end = len(after) if first is None else right.offsets[first][0]
        return left.ids[:count], before[start:], after[:end], [] if first is None else right.ids[first:]

    def keep_out_of(self, tokenizer: Tokenizer) -> None:
        """Let that one, made of `tokenizer_of_texts`, find none of them in any text."""
        tokenizer.encode_special_tokens = True
        found = {token for text in self._spellings for token in tokenizer.encode(text, add_special_tokens=False).ids}
        if in_vocabulary := self.ids & found:
            logger.warning(
                "a document can contain %d of the control tokens of this model's prompts, which are words of its"
                " vocabulary: whoever writes documents can write a prompt",
                len(in_vocabulary),
            )
