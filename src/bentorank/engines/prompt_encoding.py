"""Pairs to the token ids of a language model's prompts. Only the passage is ever cut, never the end of the prompt."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from secrets import token_hex
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

import numpy as np

from bentorank.engines.control_tokens import ControlTokens
from bentorank.engines.encoded_pairs import EncodedChunks
from bentorank.engines.encoding import PairEncoder
from bentorank.engines.fingerprint import fingerprint
from bentorank.engines.joining import PairTemplate
from bentorank.engines.token_buffer import as_buffer
from bentorank.errors import ConfigurationError, InvalidRequestError
from bentorank.types import LengthPolicy, Overflow, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from bentorank.engines.encoding import TokenisedQuery
    from bentorank.engines.prompts import Prompt
    from bentorank.types import EncodedPair, Pair


_REMEMBERED_INSTRUCTIONS: Final = 256


class _AroundQuery(NamedTuple):
    """See ControlTokens.split_around."""

    ids_before: list[int]
    text_before: str
    text_after: str
    ids_after: list[int]


class PromptEncoder:
    """Turns pairs into a `prompt`, each text of which is tokenised as its model was trained; thread-safe.

    `instruction` is the one of requests that have none. As in PairEncoder a query may take half of the window; what the
    prompt puts around it counts. No query and no passage contains a control token: what spells one is read as text. A
    tokenizer that is not of the model is refused with a ConfigurationError.
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
        # No text has it by chance.
        self._query_mark = token_hex(16)
        head = prompt.head(None, self._query_mark)
        self._control = ControlTokens(tokenizer_json, [prompt.opening, head, prompt.middle, *prompt.ending])
        self._pairs = PairEncoder(
            self._control.tokenizer_of_texts,
            max_tokens=max_tokens,
            token_types=False,
            table_rows=table_rows,
            template=self._template,
            fast=False,
        )
        self._around_query = lru_cache(_REMEMBERED_INSTRUCTIONS)(self._split_around_query)
        self._check_default_head(max_tokens)
        # The least that the texts around a passage add to its tokens.
        self._around_passage = len(self._ids(f"{prompt.lead}a")) - len(self._ids("a")) + len(self._glue)
        parts = (prompt.opening, prompt.head(self._instruction, "q"), prompt.middle, prompt.lead, prompt.glue)
        control = sorted(self._control.ids)
        self.fingerprint = fingerprint(self._pairs.fingerprint, *parts, *prompt.ending, prompt.trims, control)

    def _template(self, tokenizer: Tokenizer) -> PairTemplate:
        self._tokenizer = tokenizer
        self._control.keep_out_of(tokenizer)
        prompt, read = self._prompt, self._control.read
        self._glue = self._ids(prompt.glue)
        self._ending = [token for text in prompt.ending for token in read(text)]
        # A passage that loses its end loses the glue, which must have room to come back.
        return PairTemplate(
            read(prompt.opening), read(prompt.middle), self._ending, segments=[], reserved=len(self._glue)
        )

    def _check_default_head(self, max_tokens: int) -> None:
        try:
            around = self._around_query(self._instruction)
        except InvalidRequestError as error:
            raise ConfigurationError(f"BENTORANK_INSTRUCTION: {error}") from error
        taken = len(self._head_ids(around, ""))
        if taken >= self.max_query_tokens:
            raise ConfigurationError(
                f"a window of {max_tokens} tokens is too small for the model's prompts: a query and what stands around"
                f" it may take {self.max_query_tokens} of them, and {taken} stand around it"
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
        return list(self.encode_chunks(pairs, LengthPolicy()).pairs)

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> EncodedChunks:
        """As PairEncoder does, of prompts with the policy's instruction.

        Raises InvalidRequestError for an instruction that spells a control token.
        """
        around = self._around_query(policy.instruction or self._instruction)
        heads = {query: self._head(around, query, cut=policy.cut_query) for query in {p.query for p in pairs}}
        prompt = self._prompt
        passages = [f"{prompt.lead}{self._trimmed(pair.passage)}{prompt.glue}" for pair in pairs]
        if policy.max_tokens_per_doc is not None:
            policy = replace(policy, max_tokens_per_doc=policy.max_tokens_per_doc + self._around_passage)
        encoded = self._pairs.encode_passages([heads[pair.query] for pair in pairs], passages, policy)
        if not (self._glue or policy.overflow is Overflow.CHUNK):
            return encoded
        finished = [self._finished(chunks, pair.passage, policy) for chunks, pair in zip(encoded, pairs, strict=True)]
        return EncodedChunks.of(finished)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids) if text else []

    def _trimmed(self, text: str) -> str:
        return text.strip() if self._prompt.trims else text

    def _split_around_query(self, instruction: str | None) -> _AroundQuery:
        if instruction is not None and self._control.are_in(instruction):
            raise InvalidRequestError(
                "an instruction must not spell a control token of the model's prompts", field="instruction"
            )
        before, _, after = self._prompt.head(instruction, self._query_mark).partition(self._query_mark)
        return _AroundQuery(*self._control.split_around(before, after))

    def _head(self, around: _AroundQuery, query: str, *, cut: bool) -> TokenisedQuery:
        """All up to the passage. A query that is too long is cut, if that is wanted, and refused if not."""
        query = self._trimmed(query)
        ids = self._head_ids(around, query)
        excess = len(ids) - self.max_query_tokens if cut else 0
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
            ids = self._head_ids(around, query)
            excess = len(ids) - self.max_query_tokens
        if len(ids) > self.max_query_tokens:
            self._refuse(around, len(ids))
        [head] = self._pairs.queries_of([as_buffer(ids)], cut=False)
        return head._replace(truncated=is_cut)

    def _refuse(self, around: _AroundQuery, tokens: int) -> NoReturn:
        """Raises InvalidRequestError for a query of so many `tokens`, with those around it, which may be at fault."""
        limit, taken = self.max_query_tokens, len(self._head_ids(around, ""))
        if taken >= limit:
            raise InvalidRequestError(
                f"the instruction and what the prompt puts around it have {taken} tokens, and this model reads at most"
                f" {limit} of them and the query together",
                field="instruction",
            )
        raise InvalidRequestError(
            f"the query has {tokens} tokens with its instruction and what the prompt puts around them, and this model"
            f" reads at most {limit}",
            field="query",
        )

    def _head_ids(self, around: _AroundQuery, query: str) -> list[int]:
        return [*around.ids_before, *self._ids(f"{around.text_before}{query}{around.text_after}"), *around.ids_after]

    def _finished(self, chunks: Sequence[EncodedPair], passage: str, policy: LengthPolicy) -> list[EncodedPair]:
        """The chunks with all of their ending, and with spans of the passage as it was sent."""
        lead, text = len(self._prompt.lead), self._trimmed(passage)
        start = passage.index(text)
        end = lead + len(text) + len(self._prompt.glue)
        return [
            chunk._replace(
                input_ids=self._glued(chunk.input_ids) if _lost_end(chunk, end, policy) else chunk.input_ids,
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
