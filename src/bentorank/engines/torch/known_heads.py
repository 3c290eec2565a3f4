"""Keys and values of what pairs begin with, kept from one batch of a request to the next within a bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from bentorank.engines.torch.causal_rows import CausalRow


class HeadKeys:
    """Those of one pass, by layer: of the heads that it knows, and of those that it computes."""

    def __init__(self, known: list[Head], new: Mapping[bytes, slice]) -> None:
        self._known = known
        self._new = new
        self._computed: dict[bytes, Head] = {head: [] for head in new}

    def completed(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The row's own, of shape (tokens, heads, width), behind those of the known heads."""
        for head, place in self._new.items():
            kept = self._computed[head]
            assert len(kept) == layer, "bug: layers in another order, or one that is run twice"
            # Copies: a view would keep the whole row.
            kept.append((key[place].clone(), value[place].clone()))
        if not self._known:
            return key, value
        layers = [head[layer] for head in self._known]
        return torch.cat([*(keys for keys, _ in layers), key]), torch.cat([*(values for _, values in layers), value])

    @property
    def computed(self) -> dict[bytes, Head]:
        """The new heads, complete once the pass is."""
        return self._computed


class KnownHeads:
    """The heads used last, by their ids, in at most `max_bytes`. One thread at a time."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._heads: OrderedDict[bytes, Head] = OrderedDict()

    @property
    def lengths(self) -> dict[bytes, int]:
        """The tokens of each."""
        return {ids: len(head[0][0]) for ids, head in self._heads.items()}

    @property
    def bytes_kept(self) -> int:
        """What all of them take."""
        return self._bytes

    def keys_for(self, row: CausalRow) -> HeadKeys:
        """Those that a row takes from here, and the places of those that it is about to compute."""
        for ids in row.known:
            self._heads.move_to_end(ids)
        return HeadKeys([self._heads[ids] for ids in row.known], row.new)

    def keep(self, computed: Mapping[bytes, Head]) -> None:
        """Keep these, in the place of those that were not used for longest."""
        for ids, head in computed.items():
            size = _bytes_of(head)
            if size > self._max_bytes:
                continue
            self._heads[ids] = head
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, oldest = self._heads.popitem(last=False)
                self._bytes -= _bytes_of(oldest)


Head = list[tuple["Tensor", "Tensor"]]


def _bytes_of(head: Head) -> int:
    return sum(keys.nbytes + values.nbytes for keys, values in head)
