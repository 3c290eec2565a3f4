"""Text pairs to token ids: one query with many passages, cut on the passage side only.

Any thread may encode, on a private copy of the Rust tokenizer that is never mutated: transformers switches
truncation on and off in place and raises "Already borrowed" under threads. Ids stay in buffers all the way.
"""

from __future__ import annotations

from operator import le
from typing import TYPE_CHECKING, NamedTuple

from bentorank.columns import TextPairs
from bentorank.engines.encoded_pairs import EncodedChunks, PairColumns
from bentorank.engines.fingerprint import fingerprint
from bentorank.engines.joining import PairJoiner, PairTemplate
from bentorank.engines.overflow import plan_reading
from bentorank.engines.token_buffer import as_buffer
from bentorank.engines.tokenisers import ComparedTokeniser, choose_tokeniser
from bentorank.engines.tokenizer_file import read_tokenizer
from bentorank.engines.vocabulary import check_vocabulary
from bentorank.errors import ConfigurationError, InvalidRequestError
from bentorank.types import LengthPolicy, Mark, Overflow, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tokenizers import Tokenizer

    from bentorank.types import EncodedPair, Pair

# Generous for every language that puts spaces between words: English has about five characters a token.
_CHARACTERS_PER_TOKEN = 10
_MINIMUM_CHARACTERS = 512

# Of a passage that is read whole, by whether its query was cut.
_WHOLE = {is_cut: Mark(query_truncated=is_cut) for is_cut in (False, True)}


class TokenisedPassages(NamedTuple):
    """Token ids of passages, and where in its text each token of each stands, if that is wanted."""

    ids: list[memoryview]
    offsets: list[list[tuple[int, int]]] | None = None

    def span(self, place: int, start: int, end: int) -> Span | None:
        """Where a passage's tokens from `start` up to `end` stand in its text."""
        if self.offsets is None:
            return None
        offsets = self.offsets[place]
        return Span(offsets[start][0], offsets[end - 1][1]) if end > start else Span(0, 0)


class TokenisedQuery(NamedTuple):
    """A query's number of tokens, prompt included, and all that stands before its passages (see PairJoiner)."""

    tokens: int
    head: memoryview
    truncated: bool


class PairEncoder:
    """Turns pairs into what the model reads; thread-safe.

    The ids equal what transformers gives for the same pair, except that an overlong pair loses tokens from
    the end of its passage only. transformers' `longest_first` does the same while the query fits in half of
    the window, which is the most that this encoder accepts. A tokenizer that is not of the model whose embedding table
    has `table_rows` is refused with a ConfigurationError. The `template` is the tokenizer's own unless given. A `fast`
    encoder reads with another tokenizer where that is installed and gives the same ids (see tokenisers.py).
    """

    takes_instruction = False

    def __init__(  # noqa: PLR0913 - each is a fact of the model
        self,
        tokenizer_json: str,
        *,
        max_tokens: int,
        token_types: bool,
        prompt: str = "",
        table_rows: int | None = None,
        template: Callable[[Tokenizer], PairTemplate] | None = None,
        fast: bool = True,
    ) -> None:
        self._tokenizer = read_tokenizer(tokenizer_json)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        pair_template = (template or read_template)(self._tokenizer)
        check_vocabulary(self._tokenizer, pair_template.special_ids, table_rows)
        self._tokenise = choose_tokeniser(self._tokenizer, tokenizer_json, fast=fast)
        self._joiner = PairJoiner(pair_template, token_types=token_types)
        self._prompt = prompt
        self._text_tokens = max_tokens - pair_template.special_tokens - pair_template.reserved
        if self._text_tokens < 2:  # noqa: PLR2004 - one token of query and one of passage
            raise ConfigurationError(f"a window of {max_tokens} tokens leaves no room for a query and a passage")
        self._characters = max(_MINIMUM_CHARACTERS, self._text_tokens * _CHARACTERS_PER_TOKEN)
        self._splits_at_spaces = _splits_at_spaces(self._tokenizer)
        self.fingerprint = fingerprint(self._tokenizer.to_str(), max_tokens, token_types, prompt)

    @property
    def tokenises_fast(self) -> bool:
        """Whether the fast tokenizer reads."""
        return isinstance(self._tokenise, ComparedTokeniser)

    @property
    def max_query_tokens(self) -> int:
        """The longest query accepted, prompt included and special tokens not."""
        return self._text_tokens // 2

    def encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        """Encode `pairs` in order, cutting each passage that does not fit; each distinct query is tokenised once.

        Raises InvalidRequestError when a query has more than `max_query_tokens`.
        """
        return list(self.encode_chunks(pairs, LengthPolicy()).pairs)

    def encode_chunks(self, pairs: Sequence[Pair], policy: LengthPolicy) -> EncodedChunks:
        """The chunks of each pair's passage that `policy` wants read: at least one each, none of a passage left out.

        Raises InvalidRequestError for a query that is too long, DocumentTooLongError if the policy refuses a passage.
        """
        asked = TextPairs.of(pairs)
        texts = list(dict.fromkeys(asked.queries))
        encoded = self._tokenise([self._prompt + text for text in texts])
        queries = dict(zip(texts, self.queries_of(encoded, cut=policy.cut_query), strict=True))
        return self.encode_passages([queries[query] for query in asked.queries], asked.passages, policy)

    def encode_passages(
        self, queries: Sequence[TokenisedQuery], passages: list[str], policy: LengthPolicy
    ) -> EncodedChunks:
        """As `encode_chunks`, of passages each behind the query with the same number."""
        return self._join(queries, self._encode_passages(passages, policy), policy)

    def queries_of(self, encoded: Sequence[memoryview], *, cut: bool) -> list[TokenisedQuery]:
        """Queries by their ids. Raises InvalidRequestError for one that is too long and not to be `cut`."""
        limit = self.max_query_tokens
        longest = max(map(len, encoded), default=0)
        if longest > limit and not cut:
            raise InvalidRequestError(
                f"the query has {longest} tokens and this model reads at most {limit}", field="query"
            )
        return [
            TokenisedQuery(min(len(ids), limit), self._joiner.head(ids[:limit]), truncated=len(ids) > limit)
            for ids in encoded
        ]

    def _encode_passages(self, passages: list[str], policy: LengthPolicy) -> TokenisedPassages:
        if policy.overflow is Overflow.CHUNK:
            encodings = self._tokenizer.encode_batch(passages, add_special_tokens=False)
            offsets = [encoding.offsets for encoding in encodings]
            return TokenisedPassages([as_buffer(encoding.ids) for encoding in encodings], offsets)
        return TokenisedPassages(self._tokenise(passages) if policy.keep_end else self._tokenise_beginnings(passages))

    def _tokenise_beginnings(self, passages: list[str]) -> list[memoryview]:
        """Token ids of each passage, whole or more than the window holds."""
        if not self._splits_at_spaces or max(map(len, passages), default=0) <= self._characters:
            return self._tokenise(passages)
        beginnings = [self._shorten(passage) for passage in passages]
        encoded = self._tokenise(beginnings)
        # A cut passage that nevertheless fits has unusually long words, or little but spaces: read all of it.
        short = [
            i
            for i, ids in enumerate(encoded)
            if len(ids) <= self._text_tokens and len(beginnings[i]) < len(passages[i])
        ]
        for i, ids in zip(short, self._tokenise([passages[i] for i in short]), strict=True):
            encoded[i] = ids
        return encoded

    def _shorten(self, passage: str) -> str:
        """Cut a passage far longer than the window before the first space past the bound.

        The tokens before a space do not depend on what follows it, so the ids that are kept stay the same.
        """
        if len(passage) <= self._characters:
            return passage
        end = passage.find(" ", self._characters)
        while end > 0 and passage[end - 1].isspace():
            end -= 1
        return passage if end <= 0 else passage[:end]

    def _join(
        self, queries: Sequence[TokenisedQuery], passages: TokenisedPassages, policy: LengthPolicy
    ) -> EncodedChunks:
        """The chunks of each passage behind its query."""
        tokens = list(map(len, passages.ids))
        rooms = [self._text_tokens - query.tokens for query in queries]
        if policy.max_tokens_per_doc or passages.offsets is not None or not all(map(le, tokens, rooms)):
            return self._join_parts(queries, passages, rooms, policy)
        marks = [_WHOLE[query.truncated] for query in queries]
        return EncodedChunks(self._columns([query.head for query in queries], passages.ids, marks))

    def _join_parts(
        self, queries: Sequence[TokenisedQuery], passages: TokenisedPassages, rooms: list[int], policy: LengthPolicy
    ) -> EncodedChunks:
        """The same where part of a passage may be read, or several."""
        heads: list[memoryview] = []
        parts: list[memoryview] = []
        marks: list[Mark] = []
        counts: list[int] = []
        for position, (query, ids, room) in enumerate(zip(queries, passages.ids, rooms, strict=True)):
            reading = plan_reading(len(ids), room, policy, position=position)
            for start, end in reading.parts:
                heads.append(query.head)
                parts.append(ids[start:end])
                marks.append(Mark(reading.truncated, query.truncated, passages.span(position, start, end)))
            counts.append(len(reading.parts))
        return EncodedChunks(self._columns(heads, parts, marks), counts)

    def _columns(self, heads: list[memoryview], passages: list[memoryview], marks: list[Mark]) -> PairColumns:
        after = self._joiner.suffix_tokens
        lengths = [len(head) + len(ids) + after for head, ids in zip(heads, passages, strict=True)]
        return PairColumns(self._joiner, heads=heads, passages=passages, marks=marks, lengths=lengths)


def read_template(tokenizer: Tokenizer) -> PairTemplate:
    """Learn where the tokenizer puts special tokens by watching it join two short texts."""
    encoding = tokenizer.encode("a", "b")
    sequence = encoding.sequence_ids
    try:
        query, passage = _span(sequence, 0), _span(sequence, 1)
    except ValueError as error:
        raise ConfigurationError("the model's tokenizer drops plain letters, so its pairs cannot be built") from error
    ids, types = encoding.ids, encoding.type_ids
    parts = (
        slice(0, query.start),
        query,
        slice(query.stop, passage.start),
        passage,
        slice(passage.stop, len(ids)),
    )
    prefix, _, middle, _, suffix = (ids[part] for part in parts)
    # XLNet's suffix has two segments.
    segments = [types[part][:1] if part in (query, passage) else types[part] for part in parts]
    return PairTemplate(prefix, middle, suffix, [segment for part in segments for segment in part])


def _span(sequence: list[int | None], which: int) -> slice:
    first = sequence.index(which)
    return slice(first, first + sequence.count(which))


def _splits_at_spaces(tokenizer: Tokenizer) -> bool:
    """Whether words are tokenised apart; without that, a cut may change the tokens before it."""
    splitter = tokenizer.pre_tokenizer
    return splitter is not None and len(splitter.pre_tokenize_str("one two")) > 1
