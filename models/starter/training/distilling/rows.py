"""Token ids of texts, and packed rows of pairs of them: always the same number of tokens, no padding."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional


@dataclass(slots=True)
class Flat:
    """Token ids of many texts in a row."""

    ids: Tensor
    starts: Tensor
    lengths: Tensor

    def to(self, device: str) -> "Flat":
        return Flat(self.ids.to(device), self.starts.to(device), self.lengths.to(device))


def flatten(
    tokenizer: Tokenizer,
    texts: list[str],
    limit: int | None = None,
    first: tuple[int, ...] = (),
    last: tuple[int, ...] = (),
) -> Flat:
    """On the host; each text between the tokens `first` and `last`."""
    ids: list[np.ndarray] = []
    for start in range(0, len(texts), 20000):
        encoded = tokenizer.encode_batch_fast(texts[start : start + 20000], add_special_tokens=False)
        ids += [np.array([*first, *entry.ids[:limit], *last], np.int32) for entry in encoded]
    lengths = np.array([len(entry) for entry in ids], np.int64)
    starts = np.cumsum(lengths) - lengths
    return Flat(*(torch.from_numpy(array) for array in (np.concatenate(ids), starts, lengths)))


@dataclass(slots=True)
class Passages:
    """Units as two ranges of tokens: a title, perhaps, and sentences that follow one another."""

    ids: Tensor
    head_start: Tensor
    head_length: Tensor
    body_start: Tensor
    body_length: Tensor

    @classmethod
    def make(cls, sentences: Flat, heads: Flat, units: Tensor) -> "Passages":
        _, _, head, first, last = units
        titled = head >= 0
        safe = head.clamp(min=0)
        end = sentences.starts[last - 1] + sentences.lengths[last - 1]
        return cls(
            torch.cat([sentences.ids, heads.ids]),
            heads.starts[safe] + len(sentences.ids),
            torch.where(titled, heads.lengths[safe], 0),
            sentences.starts[first],
            end - sentences.starts[first],
        )

    @classmethod
    def plain(cls, flat: Flat) -> "Passages":
        none = torch.zeros_like(flat.starts)
        return cls(flat.ids, none, none, flat.starts, flat.lengths)

    @property
    def lengths(self) -> Tensor:
        return self.head_length + self.body_length


@dataclass(slots=True)
class Row:
    """Sequences one after the other: always the same number of tokens, the last sequences filling what is left."""

    ids: Tensor
    types: Tensor
    place: Tensor
    sequence: Tensor
    bounds: Tensor
    longest: int
    begin: int  # which of the sequences asked for are in it
    end: int


class Pairs:
    """Prefixes (a question between its markers, or an encoder's own words) and the passages that follow them."""

    def __init__(self, prefixes: Flat, passages: Passages, end: int, tokens: int) -> None:
        self.prefixes, self.passages, self.end, self.tokens = prefixes, passages, end, tokens

    def rows(self, queries: Tensor, units: Tensor, limit: int, together: int = 1) -> Iterator[Row]:
        """All pairs in their order, `together` of them never parted. One wait for the device, before the first row."""
        device = units.device
        prefix = self.prefixes.lengths[queries]
        lengths = (
            torch.minimum(prefix + self.passages.lengths[units] + 1, torch.tensor(limit, device=device)).cpu().numpy()
        )
        groups = lengths.reshape(-1, together).sum(1)
        cuts, used = [0], 0
        for number, size in enumerate(groups.tolist()):
            if used + size > self.tokens:
                cuts.append(number)
                used = 0
            used += size
        cuts.append(len(groups))
        filled, fillers, widest = [], [], []
        for a, b in pairwise(cuts):
            own = lengths[a * together : b * together]
            left, longest = self.tokens - int(own.sum()), int(own.max())
            filler = [longest] * (left // longest) + ([left % longest] if left % longest else [])
            widest.append(longest)
            filled.append(np.concatenate([own, np.array(filler, np.int64)]))
            fillers.append(len(filler))
        sizes = torch.from_numpy(np.concatenate(filled)).to(device)
        at = 0
        for a, b, filler, longest in zip(cuts, cuts[1:], fillers, widest, strict=False):
            begin, end = a * together, b * together
            count = end - begin + filler
            pad = (0, filler)
            yield self.lay_out(
                functional.pad(queries[begin:end], pad),
                functional.pad(units[begin:end], pad),
                sizes[at : at + count],
                longest,
                slice(begin, end),
            )
            at += count

    def lay_out(self, queries: Tensor, units: Tensor, lengths: Tensor, longest: int, asked: slice) -> Row:
        device, passages = units.device, self.passages
        bounds = functional.pad(torch.cumsum(lengths, 0), (1, 0))
        sequence = torch.repeat_interleave(torch.arange(len(lengths), device=device), lengths, output_size=self.tokens)
        place = torch.arange(self.tokens, device=device) - bounds[sequence]
        inside = place - self.prefixes.lengths[queries][sequence]
        head = passages.head_length[units]
        source = (
            torch.where(
                inside < head[sequence],
                passages.head_start[units][sequence],
                (passages.body_start[units] - head)[sequence],
            )
            + inside
        )
        own = (self.prefixes.starts[queries][sequence] + place).clamp(max=len(self.prefixes.ids) - 1)
        ids = torch.where(inside < 0, self.prefixes.ids[own], passages.ids[source.clamp(0, len(passages.ids) - 1)])
        ids = torch.where(place == lengths[sequence] - 1, self.end, ids)
        return Row(ids.long(), inside >= 0, place, sequence, bounds.int(), longest, asked.start, asked.stop)
