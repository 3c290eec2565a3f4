"""BM25 on the device."""

import numpy as np
import torch
from distilling.texts import Texts, expand
from torch import Tensor


class Lexical:
    """BM25 (k1 1.5, b .75) over all units, as one sparse product a block of queries."""

    def __init__(self, texts: Texts, device: str) -> None:
        parts, units = texts.text_terms, texts.units
        self.queries = texts.query_terms
        flat = np.concatenate(parts)
        lengths = np.array([len(part) for part in parts])
        starts = np.cumsum(lengths) - lengths
        _, _, head, first, last = units
        begin, end = starts[first], starts[last - 1] + lengths[last - 1]
        head_at = np.where(head >= 0, head + texts.sentence_count, 0)
        head_begin, head_end = starts[head_at], starts[head_at] + np.where(head >= 0, lengths[head_at], 0)
        size = (end - begin) + (head_end - head_begin)
        rows = np.concatenate(
            [np.repeat(np.arange(len(head)), end - begin), np.repeat(np.arange(len(head)), head_end - head_begin)]
        )
        columns = np.concatenate([flat[expand(begin, end)], flat[expand(head_begin, head_end)]])
        self.size = len(texts.terms)
        key = torch.from_numpy(rows * self.size + columns).to(device)
        pairs, count = torch.unique(key, return_counts=True)
        self.rows, self.columns, self.count = pairs // self.size, pairs % self.size, count.float()
        self.lengths = torch.from_numpy(size).to(device).float()
        self.device = device

    def shelf(self, members: Tensor) -> Tensor:
        """The weights of the members' terms: one row a member."""
        place = torch.full((len(self.lengths),), -1, device=self.device)
        place[members] = torch.arange(len(members), device=self.device)
        mine = place[self.rows] >= 0
        rows, columns, count = place[self.rows[mine]], self.columns[mine], self.count[mine]
        frequency = torch.bincount(columns, minlength=self.size).float()
        idf = torch.log1p((len(members) - frequency + 0.5) / (frequency + 0.5))
        length = self.lengths[members]
        norm = 1.5 * (0.25 + 0.75 * length / length.mean())
        values = idf[columns] * count / (count + norm[rows])
        return (
            torch.sparse_coo_tensor(torch.stack([rows, columns]), values, (len(members), self.size))
            .coalesce()
            .to_sparse_csr()
        )

    def scores(self, shelf: Tensor, queries: list[int]) -> Tensor:
        dense = torch.zeros(self.size, len(queries), device=self.device)
        columns = np.concatenate([np.full(len(self.queries[q]), i) for i, q in enumerate(queries)]).astype(np.int64)
        rows = np.concatenate([self.queries[q] for q in queries])
        dense.index_put_(
            (torch.from_numpy(rows).to(self.device), torch.from_numpy(columns).to(self.device)),
            torch.ones((), device=self.device),
            accumulate=True,
        )
        return (shelf @ dense).T
