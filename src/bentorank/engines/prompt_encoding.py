"""Pairs to the token ids of a language model's prompts. Only the passage is ever cut, never the end of the prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from bentorank.engines.encoding import PairEncoder
from bentorank.engines.fingerprint import fingerprint
from bentorank.engines.joining import PairTemplate
from bentorank.errors import InvalidRequestError
from bentorank.types import LengthPolicy, Overflow, Pair, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from bentorank.engines.prompts import Prompt
    from bentorank.types import EncodedPair


class PromptEncoder:
    """Turns pairs into a `prompt`, each text of which is tokenised as its model was trained; thread-safe.

    `instruction` is the one of requests that have none. As in PairEncoder a query may take half of the window; what the
    prompt puts around it counts. A tokenizer that is not of the model is refused with a ConfigurationError.
    """

    def __init__(
        self,
        tokenizer_json: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        instruction: str | None = None,
        table_rows: int | None = None,
    ) -> None:
        self._prompt = prompt
        self._instruction = instruction or None
        self.takes_instruction = prompt.takes_instruction
        self._ending: list[int] = []
        self._glue: list[int] = []
        self._pairs = PairEncoder(
            tokenizer_json,
            max_tokens=max_tokens,
            token_types=False,
            table_rows=table_rows,
            template=self._template,
        )
        # The least that the texts around a passage add to its tokens.
        self._around_passage = len(self._ids(f"{prompt.lead}a")) - len(self._ids("a")) + len(self._glue)
        parts = (prompt.opening, prompt.head(self._instruction, "q"), prompt.middle, prompt.lead, prompt.glue)
        self.fingerprint = fingerprint(self._pairs.fingerprint, *parts, *prompt.ending, prompt.trims)

    def _template(self, tokenizer: Tokenizer) -> PairTemplate:
        self._tokenizer = tokenizer
        prompt = self._prompt
        self._glue = self._ids(prompt.glue)
        self._ending = [token for text in prompt.ending for token in self._ids(text)]
        # A passage that loses its end loses the glue, which must have room to come back.
        return PairTemplate(
            self._ids(prompt.opening), self._ids(prompt.middle), self._ending, segments=[], reserved=len(self._glue)
        )

    @property
    def tokenises_fast(self) -> bool:
        """Never: what is around a passage may change its tokens."""
        return False

    @property
    def max_query_tokens(self) -> int:
        """The longest query accepted, with the instruction and what the prompt puts around it."""
        return self._pairs.max_query_tokens

    def encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        """As PairEncoder does."""
        return [chunk for (chunk,) in self.encode_chunks(pairs, LengthPolicy())]

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> list[list[EncodedPair]]:
        """As PairEncoder does, of prompts with the policy's instruction."""
        instruction = policy.instruction or self._instruction
        heads = {query: self._head(instruction, query, cut=policy.cut_query) for query in {p.query for p in pairs}}
        passages = [self._trimmed(pair.passage) for pair in pairs]
        prompt = self._prompt
        if policy.max_tokens_per_doc is not None:
            policy = replace(policy, max_tokens_per_doc=policy.max_tokens_per_doc + self._around_passage)
        prompts = [
            Pair(heads[pair.query][0], f"{prompt.lead}{passage}{prompt.glue}")
            for pair, passage in zip(pairs, passages, strict=True)
        ]
        return [
            self._finished(chunks, pair.passage, policy, query_cut=heads[pair.query][1])
            for chunks, pair in zip(self._pairs.encode_chunks(prompts, policy), pairs, strict=True)
        ]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids) if text else []

    def _trimmed(self, text: str) -> str:
        return text.strip() if self._prompt.trims else text

    def _head(self, instruction: str | None, query: str, *, cut: bool) -> tuple[str, bool]:
        """The text up to the passage, and whether its query was cut, which only `cut` does."""
        query = self._trimmed(query)
        head = self._prompt.head(instruction, query)
        excess = len(self._ids(head)) - self.max_query_tokens if cut else 0
        is_cut = excess > 0
        while excess > 0:
            encoding = self._tokenizer.encode(query, add_special_tokens=False)
            kept = len(encoding.ids) - excess
            if kept < 1:
                raise InvalidRequestError(
                    f"the instruction leaves no room for a query in the {self.max_query_tokens} tokens of both",
                    field="instruction",
                )
            query = query[: encoding.offsets[kept - 1][1]]
            head = self._prompt.head(instruction, query)
            excess = len(self._ids(head)) - self.max_query_tokens
        return head, is_cut

    def _finished(
        self, chunks: list[EncodedPair], passage: str, policy: LengthPolicy, *, query_cut: bool
    ) -> list[EncodedPair]:
        """The chunks with all of their ending, and with spans of the passage as it was sent."""
        if not (self._glue or query_cut or policy.overflow is Overflow.CHUNK):
            return chunks
        lead, text = len(self._prompt.lead), self._trimmed(passage)
        start = passage.index(text)
        end = lead + len(text) + len(self._prompt.glue)
        return [
            chunk._replace(
                input_ids=self._glued(chunk.input_ids) if _lost_end(chunk, end, policy) else chunk.input_ids,
                query_truncated=query_cut,
                span=None if chunk.span is None else _moved(chunk.span, lead, start, len(text)),
            )
            for chunk in chunks
        ]

    def _glued(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.insert(ids, len(ids) - len(self._ending), self._glue)


Encoder: TypeAlias = PairEncoder | PromptEncoder
"""What reads the pairs of a model."""


def _lost_end(chunk: EncodedPair, end: int, policy: LengthPolicy) -> bool:
    """Whether the chunk stops before `end`, that of its text."""
    if chunk.span is not None:
        return chunk.span.end < end
    return chunk.truncated and not policy.keep_end


def _moved(span: Span, lead: int, start: int, length: int) -> Span:
    """Of the passage, whose text of that length begins at `start`, rather than of what `lead` stands before."""
    return Span(*(start + min(max(0, place - lead), length) for place in span))
