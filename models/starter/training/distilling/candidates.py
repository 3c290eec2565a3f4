"""BM25's hundred of every query, and what the encoders say of them: all that comes before the training."""

from dataclasses import dataclass

import numpy as np
import torch
from distilling.bert import Weights, cast, embed
from distilling.clock import say
from distilling.kernels import Kernels
from distilling.lexical import Lexical
from distilling.rows import Flat, Pairs, Passages
from distilling.texts import SEP, Texts
from distilling.unpacking import dequantise, read_store, rename_e5
from torch import Tensor

CANDIDATES = 100
TEACHER = (0.5, 0.5, 0.1)  # of MiniLM's and of e5's cosine the best window's share; of BM25
LABELLED = ("squad", "qed", "claim", "definition")


@dataclass(slots=True)
class Shelf:
    """Candidates of every query on one shelf, BM25's order, with what each scorer says."""

    queries: Tensor
    units: Tensor  # [queries, 100]
    parts: Tensor  # [queries, 100, 5]: MiniLM best window, whole; e5 best window, whole; BM25
    label: Tensor  # [queries, 100]: a person called it relevant
    whole: bool
    score: Tensor  # [queries, 100]: the encoders' and BM25's, centred and of unit spread


def z(values: Tensor) -> Tensor:
    return (values - values.mean(1, keepdim=True)) / values.std(1, keepdim=True).clamp(min=1e-4)


def mix(parts: Tensor, windows_m: float, windows_e: float, bm25: float) -> Tensor:
    m = windows_m * parts[..., 0] + (1 - windows_m) * parts[..., 1]
    e = windows_e * parts[..., 2] + (1 - windows_e) * parts[..., 3]
    return 0.5 * z(m) + 0.5 * z(e) + bm25 * z(parts[..., 4])


def ndcg(score: Tensor, label: Tensor) -> Tensor:
    """nDCG@10 of every list; labels that BM25 did not find are not missed here."""
    discount = 1 / torch.log2(torch.arange(2, 12, device=score.device).float())
    gains = label.float().gather(1, score.topk(10, dim=1).indices) @ discount
    ideal = torch.cumsum(discount, 0)[(label.sum(1).clamp(1, 10) - 1).long()]
    return gains / ideal


class Work:
    """Candidates and what the encoders say of them: all that comes before the training."""

    def __init__(self, texts: Texts, kernels: Kernels, device: str) -> None:
        self.device, self.kernels = device, kernels
        self.kinds, self.positives, self.places = np.array(texts.kinds), texts.positives, texts.places
        self.held = torch.from_numpy(texts.held).to(device)
        self.units = torch.from_numpy(texts.units).to(device)
        self.unit_place = torch.from_numpy(texts.document_place).to(device)[self.units[0]]
        self.start = dequantise(read_store(texts.data["start.bin"]))
        difference = dequantise(read_store(texts.data["minilm.bin"]))
        minilm = {
            name: self.start[name] + value if name.startswith("encoder") else value
            for name, value in difference.items()
        }
        minilm["embeddings.word_embeddings.weight"] = self.start["embeddings.word_embeddings.weight"]
        e5 = rename_e5(dequantise(read_store(texts.data["e5.bin"])))
        minilm, e5 = ({name: value.to(device) for name, value in weights.items()} for weights in (minilm, e5))

        passages = Passages.make(texts.sentences.to(device), texts.heads.to(device), self.units)
        self.pairs = Pairs(texts.queries.to(device), passages, SEP, kernels.tokens)
        self.tests = {
            name: (Pairs(queries.to(device), Passages.plain(texts.test_texts.to(device)), SEP, kernels.tokens), rows)
            for name, (queries, rows) in texts.tests.items()
        }
        say("tokens of units", int(passages.lengths.sum()))

        e5_passages = Passages.make(texts.e5_sentences.to(device), texts.e5_heads.to(device), self.units)

        def both(weights: Weights, prefixes: list[Flat], end: int, parts: tuple[Passages, Flat]) -> list[Tensor]:
            own, sides = cast(weights, kernels.read_dtype), (parts[0], Passages.plain(parts[1].to(device)))
            found = [
                embed(kernels, own, Pairs(prefix.to(device), part, end, kernels.tokens))
                for prefix, part in zip(prefixes, sides, strict=True)
            ]
            kernels.wait()
            return found

        for _ in range(2):
            e_units, e_queries = both(e5, texts.e5_prefixes, texts.e5_end, (e5_passages, texts.e5_queries))
            say("e5")
            m_units, m_queries = both(minilm, [texts.prefix] * 2, SEP, (passages, texts.bare_queries))
            say("MiniLM")
            if all(bool(part.isfinite().all()) for part in (m_units, m_queries, e_units, e_queries)):
                break
            say("not finite: once more in bfloat16")
            kernels.read_dtype = torch.bfloat16
        self.embeddings = (m_queries, m_units, e_queries, e_units)
        lexical = Lexical(texts, device)
        say("BM25")
        self.shelves = [
            shelf for place in range(3) for whole in (0, 1) if (shelf := self.make_shelf(lexical, place, whole))
        ]
        say("candidates", [len(shelf.queries) for shelf in self.shelves])

    @torch.no_grad()
    def make_shelf(self, lexical: Lexical, place: int, whole: int) -> Shelf | None:
        members = torch.nonzero((self.unit_place == place) & (self.units[1] == whole))[:, 0]
        asked = np.flatnonzero(self.places == place)
        if len(members) < CANDIDATES or not len(asked):
            return None
        index = lexical.shelf(members)
        mine = torch.full((len(self.unit_place),), -1, device=self.device)
        mine[members] = torch.arange(len(members), device=self.device)
        # Every window of the shelf's collection, and the member that it lies in.
        windows = torch.nonzero((self.unit_place == place) & (self.units[1] == 0))[:, 0]
        of_document = torch.full((int(self.units[0].max()) + 1,), -1, device=self.device)
        of_document[self.units[0][members]] = torch.arange(len(members), device=self.device)
        parent = of_document[self.units[0][windows]] if whole else torch.arange(len(windows), device=self.device)
        m_queries, m_units, e_queries, e_units = self.embeddings
        found, scored, labels = [], [], []
        for start in range(0, len(asked), 512):
            block = asked[start : start + 512]
            rows = torch.from_numpy(block).to(self.device)
            bm25, candidates = lexical.scores(index, block.tolist()).topk(CANDIDATES, dim=1)
            parts = []
            for queries, units in ((m_queries, m_units), (e_queries, e_units)):
                own = (queries[rows] @ units[members].T).float().gather(1, candidates)
                best = own
                if whole:
                    cosine = (queries[rows] @ units[windows].T).float()
                    top = torch.full((len(block), len(members)), -1.0, device=self.device)
                    top.scatter_reduce_(1, parent[None].expand(len(block), -1), cosine, "amax")
                    best = top.gather(1, candidates)
                parts += [best, own]
            label = torch.zeros(len(block), len(members), device=self.device, dtype=torch.bool)
            pairs = [
                (i, u) for i, q in enumerate(block) for u in self.positives[q] if self.kinds[q] in (*LABELLED, "title")
            ]
            if pairs:
                row, unit = torch.tensor(pairs, device=self.device).T
                at = mine[unit]
                label[row[at >= 0], at[at >= 0]] = True
            found.append(members[candidates])
            scored.append(torch.stack([*parts, bm25], -1).half())
            labels.append(label.gather(1, candidates))
        rows = torch.from_numpy(asked).to(self.device)
        parts = torch.cat(scored)
        score = torch.cat([z(mix(part.float(), *TEACHER)) for part in parts.split(4096)])
        return Shelf(rows, torch.cat(found), parts, torch.cat(labels), bool(whole), score)
