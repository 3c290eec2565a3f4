"""Distil two encoders, BM25 and the labels into the starter on one GPU, from what pack.py packed.

Everything is bounded in time: the learning rate follows the clock, and the weights are written twice before the end.
Needs torch, numpy and tokenizers alone.
"""

import argparse
import json
import lzma
import re
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor
from torch.nn import functional

BEGIN = time.monotonic()
WORD = re.compile(r"\b\w\w+\b")
CLS, SEP = 101, 102
CANDIDATES = 100
LIST_SIZE = 12
TEACHER_SCALE = 1.6  # logits of the student for one unit of the teacher's z-score
LABEL_SHARE = 0.5
REGRESSION_WEIGHT = 0.3
POINTWISE_WEIGHT = 0.1
QUESTIONS = ("squad", "qed", "claim", "definition", "exercise", "typed")
LABELLED = ("squad", "qed", "claim", "definition")
# How often each kind comes; what people typed or searched for is the most precious.
SHARES = {"qed": 0.20, "squad": 0.18, "typed": 0.20, "claim": 0.05, "definition": 0.07, "exercise": 0.06,
          "title": 0.09, "keywords": 0.09, "sentence": 0.06}  # fmt: skip
Weights = dict[str, Tensor]


def say(*parts: object) -> None:
    print(f"[{time.monotonic() - BEGIN:6.1f} s]", *parts, flush=True)


def load(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes())


def read_store(data: bytes) -> dict[str, np.ndarray]:
    (size,) = struct.unpack_from("<I", data)
    arrays = {}
    for entry in json.loads(data[4 : 4 + size]):
        count = int(np.prod(entry["shape"]))
        arrays[entry["name"]] = np.frombuffer(data, entry["dtype"], count, 4 + size + entry["at"]).reshape(entry["shape"])
    return arrays


def dequantise(arrays: dict[str, np.ndarray]) -> Weights:
    """Arrays by their plain names, in single precision."""
    weights = {}
    for name, array in arrays.items():
        base, *form = name.split(":")
        if not form:
            weights[base] = torch.from_numpy(array.astype(np.float32))
        elif form[0].startswith("q4_0"):
            scale = arrays[f"{base}:scale"].astype(np.float32)
            whole = np.concatenate([array & 15, array >> 4], 1).astype(np.float32) - 8
            weights[base] = torch.from_numpy(whole * scale[:, None])
        elif form[0].startswith("q"):
            scale = arrays[f"{base}:scale"].astype(np.float32)
            shape = tuple(map(int, form[1].split("x")))
            if form[0] == "q4":
                whole = np.stack([array & 15, array >> 4], 1).reshape(-1, 32).astype(np.float32) - 8
            else:
                whole = array.astype(np.float32)
            weights[base] = torch.from_numpy(whole * scale[:, None]).reshape(shape)
    return weights


def rename_e5(weights: Weights) -> Weights:
    """Names as BERT's; the file has none of the shapes."""
    names = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
             "ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense",
             "fo": "output.dense", "oln": "output.LayerNorm"}  # fmt: skip
    suffix = {"w": "weight", "b": "bias"}
    out = {
        "embeddings.word_embeddings.weight": weights["emb.word"].reshape(-1, 384),
        "embeddings.position_embeddings.weight": weights["emb.pos"].reshape(-1, 384),
        "embeddings.token_type_embeddings.weight": weights["emb.type"].reshape(-1, 384),
        "embeddings.LayerNorm.weight": weights["emb.ln.w"],
        "embeddings.LayerNorm.bias": weights["emb.ln.b"],
    }
    for name, value in weights.items():
        if name.startswith("l") and name[1].isdigit():
            layer, part, kind = name[1:].split(".")
            if kind == "w" and "ln" not in part:
                value = value.reshape(-1, 1536 if part == "fo" else 384)  # noqa: PLW2901
            out[f"encoder.layer.{layer}.{names[part]}.{suffix[kind]}"] = value
    return out


def bert(weights: Weights, ids: Tensor, mask: Tensor, types: Tensor, *, layers: int, first_only: bool = False) -> Tensor:
    """A BERT of twelve heads; the last layer for the first token alone where that is all that is read."""
    name = "embeddings."
    x = weights[name + "word_embeddings.weight"][ids] + weights[name + "position_embeddings.weight"][: ids.shape[1]]
    x = x + weights[name + "token_type_embeddings.weight"][types]
    x = functional.layer_norm(x, (384,), weights[name + "LayerNorm.weight"], weights[name + "LayerNorm.bias"], 1e-12)
    allowed = mask[:, None, None, :]
    for number in range(layers):

        def linear(tokens: Tensor, part: str, number: int = number) -> Tensor:
            key = f"encoder.layer.{number}.{part}"
            return functional.linear(tokens, weights[key + ".weight"], weights[key + ".bias"])

        def norm(tokens: Tensor, part: str, number: int = number) -> Tensor:
            key = f"encoder.layer.{number}.{part}.LayerNorm"
            return functional.layer_norm(tokens, (384,), weights[key + ".weight"], weights[key + ".bias"], 1e-12)

        read = x[:, :1] if first_only and number == layers - 1 else x
        query, key, value = (
            linear(tokens, f"attention.self.{part}").unflatten(-1, (12, 32)).transpose(1, 2)
            for tokens, part in ((read, "query"), (x, "key"), (x, "value"))
        )
        seen = allowed.expand(-1, 1, read.shape[1], -1)
        context = functional.scaled_dot_product_attention(query, key, value, seen).transpose(1, 2).flatten(2)
        x = norm(linear(context, "attention.output.dense") + read, "attention.output")
        inner = functional.gelu(linear(x, "intermediate.dense"))
        x = norm(linear(inner, "output.dense") + x, "output")
    return x


@dataclass(slots=True)
class Flat:
    """Token ids of many texts in a row."""

    ids: Tensor
    starts: Tensor
    lengths: Tensor


def flatten(tokenizer: Tokenizer, texts: list[str], device: str, limit: int | None = None) -> Flat:
    ids: list[np.ndarray] = []
    for start in range(0, len(texts), 20000):
        encoded = tokenizer.encode_batch_fast(texts[start : start + 20000], add_special_tokens=False)
        ids += [np.array(entry.ids[:limit], np.int32) for entry in encoded]
    lengths = np.array([len(entry) for entry in ids], np.int64)
    starts = np.cumsum(lengths) - lengths
    return Flat(*(torch.from_numpy(array).to(device) for array in (np.concatenate(ids), starts, lengths)))


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

    @property
    def lengths(self) -> Tensor:
        return self.head_length + self.body_length


def lay_out(prefix: Tensor, prefix_length: Tensor, passages: Passages, units: Tensor, limit: int, end: int, pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and types of `prefix` rows followed by passages and the closing token, cut at `limit` tokens."""
    room = limit - prefix_length - 1
    size = torch.minimum(passages.lengths[units], room)
    total = prefix_length + size + 1
    width = min(limit, (int(total.max()) + 15) // 16 * 16)
    place = torch.arange(width, device=prefix.device)[None]
    inside = place - prefix_length[:, None]
    in_head = inside < passages.head_length[units][:, None]
    body = passages.body_start[units][:, None] + inside - passages.head_length[units][:, None]
    source = torch.where(in_head, passages.head_start[units][:, None] + inside, body).clamp(0, len(passages.ids) - 1)
    own = functional.pad(prefix, (0, max(0, width - prefix.shape[1])))[:, :width]
    ids = torch.where(inside < 0, own, passages.ids[source])
    ids = torch.where(inside == size[:, None], end, ids)
    mask = place < total[:, None]
    return torch.where(mask, ids, pad).long(), mask, (mask & (inside >= 0)).long()


def batches(lengths: Tensor, tokens: int) -> list[Tensor]:
    """Positions by like length, so many together as have `tokens` tokens."""
    order = torch.argsort(lengths, descending=True)
    sizes = lengths[order].tolist()
    out, at = [], 0
    while at < len(sizes):
        count = max(1, tokens // (sizes[at] + 8))
        out.append(order[at : at + count])
        at += count
    return out


class Encoder:
    """Mean-pooled, normalised embeddings."""

    def __init__(self, weights: Weights, layers: int, device: str, special: tuple[int, int, int], budget: int) -> None:
        self.dtype = torch.bfloat16 if device != "cpu" or torch.cpu._is_amx_tile_supported() else torch.float32
        self.weights = {name: value.to(device, self.dtype) for name, value in weights.items()}
        self.layers, self.device, self.budget = layers, device, budget
        self.first, self.end, self.pad = special

    @torch.no_grad()
    def embed(self, passages: Passages, prefix: list[int], limit: int = 512) -> Tensor:
        row = torch.tensor([self.first, *prefix], device=self.device)
        count = len(passages.body_start)
        out = torch.zeros(count, 384, device=self.device, dtype=self.dtype)
        for units in batches(passages.lengths.clamp(max=limit), self.budget):
            start = row[None].expand(len(units), -1)
            ids, mask, _ = lay_out(start, torch.full_like(units, len(row)), passages, units, limit, self.end, self.pad)
            hidden = bert(self.weights, ids, mask, torch.zeros_like(ids), layers=self.layers)
            mean = (hidden.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            out[units] = functional.normalize(mean, dim=1).to(self.dtype)
        return out


def as_passages(flat: Flat) -> Passages:
    none = torch.zeros_like(flat.starts)
    return Passages(flat.ids, none, none, flat.starts, flat.lengths)


class Lexical:
    """BM25 (k1 1.5, b .75) over all units, as one sparse product a block of queries."""

    def __init__(self, texts: list[str], heads: list[str], queries: list[str], stems: dict[str, str], stop: set[str], units: np.ndarray, device: str) -> None:
        vocabulary: dict[str, int] = {}

        def terms(text: str) -> list[int]:
            return [vocabulary.setdefault(stems.get(word, word), len(vocabulary)) for word in WORD.findall(text.lower()) if word not in stop]

        parts = [np.array(terms(text), np.int64) for text in (*texts, *heads)]
        self.queries = [np.array(terms(text), np.int64) for text in queries]
        flat = np.concatenate(parts)
        lengths = np.array([len(part) for part in parts])
        starts = np.cumsum(lengths) - lengths
        _, _, head, first, last = units
        begin, end = starts[first], starts[last - 1] + lengths[last - 1]
        head_at = np.where(head >= 0, head + len(texts), 0)
        head_begin, head_end = starts[head_at], starts[head_at] + np.where(head >= 0, lengths[head_at], 0)
        size = (end - begin) + (head_end - head_begin)
        rows = np.concatenate([np.repeat(np.arange(len(head)), end - begin), np.repeat(np.arange(len(head)), head_end - head_begin)])
        columns = np.concatenate([flat[expand(begin, end)], flat[expand(head_begin, head_end)]])
        self.size = len(vocabulary)
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
        return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, (len(members), self.size)).coalesce().to_sparse_csr()

    def scores(self, shelf: Tensor, queries: list[int]) -> Tensor:
        dense = torch.zeros(self.size, len(queries), device=self.device)
        columns = np.concatenate([np.full(len(self.queries[q]), i) for i, q in enumerate(queries)]).astype(np.int64)
        rows = np.concatenate([self.queries[q] for q in queries])
        dense.index_put_((torch.from_numpy(rows).to(self.device), torch.from_numpy(columns).to(self.device)), torch.ones((), device=self.device), accumulate=True)
        return (shelf @ dense).T


def expand(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The numbers of all ranges, one range after the other."""
    size = end - begin
    shift = np.repeat(begin - (np.cumsum(size) - size), size)
    return np.arange(size.sum()) + shift


@dataclass(slots=True)
class Shelf:
    """Candidates of every query on one shelf, BM25's order, with what each scorer says."""

    queries: Tensor
    units: Tensor  # [queries, 100]
    parts: Tensor  # [queries, 100, 5]: MiniLM best window, whole; e5 best window, whole; BM25
    label: Tensor  # [queries, 100]: a person called it relevant
    positive: Tensor  # [queries]: a positive unit or -1
    score: Tensor | None = None


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
    """Texts, tokens, candidates and teacher scores: all that comes before the training."""

    def __init__(self, args: argparse.Namespace, device: str) -> None:
        self.args, self.device = args, device
        pack = args.pack
        names = ("sentences.txt", "heads.txt", "queries.txt", "stems.txt", "small.json", "e5-vocabulary.json", "start.bin", "minilm.bin", "e5.bin")
        with ThreadPoolExecutor(len(names)) as pool:
            data = dict(zip(names, pool.map(lambda name: load(pack / f"{name}.xz"), names), strict=True))
        say("unpacked")
        small = json.loads(data["small.json"])
        sentences, heads, queries, stems = (data[f"{name}.txt"].decode().split("\n") for name in ("sentences", "heads", "queries", "stems"))
        units = np.array(small["units"])
        chosen = np.arange(len(queries))
        if args.tiny:
            documents = len(small["documents"])
            kept = np.zeros(documents, bool)
            kept[:: max(1, documents // args.tiny)] = True
            old = np.flatnonzero(kept[units[0]])
            read = set(expand(units[3][old], units[4][old]).tolist())
            sentences = [text if index in read else "" for index, text in enumerate(sentences)]
            renumber = np.full(units.shape[1], -1)
            renumber[old] = np.arange(len(old))
            units = units[:, old]
            positives = [[int(renumber[u]) for u in row if renumber[u] >= 0] for row in small["positives"]]
            chosen = np.array([i for i, row in enumerate(positives) if (row and i % 3 == 0) or i % 200 == 0])
            small["positives"] = positives
        self.kinds = [small["kinds"][i] for i in chosen]
        self.positives = [small["positives"][i] for i in chosen]
        self.held = np.array([small["held"][i] == "1" for i in chosen])
        places = np.array([int(small["places"][i]) for i in chosen])
        queries = [queries[i] for i in chosen]
        self.places, self.units = places, torch.from_numpy(units).to(device)
        self.unit_place = torch.tensor([int(p) for p in small["document_place"]], device=device)[self.units[0]]
        self.start = dequantise(read_store(data["start.bin"]))
        difference = dequantise(read_store(data["minilm.bin"]))
        minilm = {name: self.start[name] + value if name.startswith("encoder") else value for name, value in difference.items()}
        minilm["embeddings.word_embeddings.weight"] = self.start["embeddings.word_embeddings.weight"]
        e5 = rename_e5(dequantise(read_store(data["e5.bin"])))

        tokenizer = Tokenizer.from_file(str(args.tokenizer))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        flat = [flatten(tokenizer, texts, device) for texts in (sentences, heads)]
        self.queries = flatten(tokenizer, queries, device, 64)
        self.passages = Passages.make(*flat, self.units)
        say("tokens of passages", int(self.passages.lengths.sum()), "units", units.shape[1], "queries", len(queries))
        self.minilm = Encoder(minilm, 6, device, (CLS, SEP, 0), args.tokens)
        m_units = self.minilm.embed(self.passages, [], 512)
        m_queries = self.minilm.embed(as_passages(self.queries), [])
        say("MiniLM")
        vocabulary = json.loads(data["e5-vocabulary.json"])
        first, end, pad, unknown = vocabulary["special"]
        unigram = Tokenizer(models.Unigram(list(zip(vocabulary["pieces"], vocabulary["scores"], strict=True)), unk_id=unknown, byte_fallback=False))
        unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
        unigram.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
        encoder = Encoder(e5, 12, device, (first, end, pad), args.tokens)
        e_passages = Passages.make(*(flatten(unigram, texts, device) for texts in (sentences, heads)), self.units)
        e_queries = as_passages(flatten(unigram, queries, device, 64))
        say("tokens for e5")
        self.e5, self.unigram = encoder, unigram
        e_units = encoder.embed(e_passages, unigram.encode("passage:", add_special_tokens=False).ids)
        e_asked = encoder.embed(e_queries, unigram.encode("query:", add_special_tokens=False).ids)
        say("e5")
        self.embeddings = (m_queries, m_units, e_asked, e_units)
        lexical = Lexical(sentences, heads, queries, dict(self.stem(line) for line in stems if line), set(small["stop"]), self.units.cpu().numpy(), device)
        say("BM25", lexical.size, "terms")
        self.shelves = [shelf for place in range(3) for whole in (0, 1) if (shelf := self.make_shelf(lexical, place, whole))]
        say("candidates", [len(shelf.queries) for shelf in self.shelves])
        self.settle()

    @staticmethod
    def stem(line: str) -> tuple[str, str]:
        word, change = line.split(" ", 1)
        digits = re.match(r"\d+", change)[0]
        return word, word[: len(word) - int(digits)] + change[len(digits) :]

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
            pairs = [(i, u) for i, q in enumerate(block) for u in self.positives[q] if self.kinds[q] in (*LABELLED, "title")]
            if pairs:
                row, unit = torch.tensor(pairs, device=self.device).T
                at = mine[unit]
                label[row[at >= 0], at[at >= 0]] = True
            found.append(members[candidates])
            scored.append(torch.stack([*parts, bm25], -1).half())
            labels.append(label.gather(1, candidates))
        rows = torch.from_numpy(asked).to(self.device)
        return Shelf(rows, torch.cat(found), torch.cat(scored), torch.cat(labels), torch.zeros(0))

    def settle(self) -> None:
        """Choose the few shares on labelled training questions, every kind counting as much; then score everything."""
        kind = np.array([LABELLED.index(k) if k in LABELLED else -1 for k in self.kinds])
        kind_on = torch.from_numpy(kind).to(self.device)
        held = torch.from_numpy(self.held).to(self.device)
        results = []
        for windows_m in (0.0, 0.5, 1.0):
            for windows_e in (0.0, 0.5, 1.0):
                for bm25 in (0.05, 0.1, 0.2):
                    means = []
                    for shelf in self.shelves:
                        for number, name in enumerate(LABELLED):
                            use = (kind_on[shelf.queries] == number) & ~held[shelf.queries] & shelf.label.any(1)
                            rows = torch.nonzero(use)[:1500, 0]
                            whole = bool(self.units[1][shelf.units[0, 0]])
                            if whole and len(rows) >= 5:
                                score = mix(shelf.parts[rows].float(), windows_m, windows_e, bm25)
                                means.append((name, float(ndcg(score, shelf.label[rows]).mean())))
                    results.append((float(np.mean([m for _, m in means])) if means else 0.0, (windows_m, windows_e, bm25), means))
        results.sort(key=lambda row: -row[0])
        for row in results[:3] + results[-1:]:
            say("teacher", row)
        issue = [row for row in results if row[1] == (0.5, 0.5, 0.1)]
        say("teacher as first thought", issue[0])
        self.choice = results[0][1] if results[0][0] > 0 else (0.5, 0.5, 0.1)
        say("teacher chosen", self.choice)
        for shelf in self.shelves:
            shelf.score = mix(shelf.parts.float(), *self.choice)
            for single, name in (((1.0, 0.0), "MiniLM"), ((0.0, 1.0), "e5")):
                rows = torch.nonzero(shelf.label.any(1) & held[shelf.queries])[:, 0]
                if len(rows):
                    m, e = single
                    parts = shelf.parts[rows].float()
                    one = m * z(parts[..., :2].mean(-1)) + e * z(parts[..., 2:4].mean(-1))
                    say("held out", name, round(float(ndcg(one, shelf.label[rows]).mean()), 4), "teacher", round(float(ndcg(shelf.score[rows], shelf.label[rows]).mean()), 4), "of", len(rows))


class Student:
    def __init__(self, work: Work, args: argparse.Namespace, device: str) -> None:
        self.work, self.args, self.device = work, args, device
        self.dtype = torch.bfloat16 if device != "cpu" or torch.cpu._is_amx_tile_supported() else torch.float32
        self.weights = {name: value.to(device).float() for name, value in work.start.items()}
        self.frozen = {name: value.to(self.dtype) for name, value in self.weights.items() if "word_emb" in name or "position_emb" in name}
        groups: dict[str, list[Tensor]] = {"head": [], "decayed": [], "plain": []}
        for name, value in self.weights.items():
            if name not in self.frozen:
                value.requires_grad_()
                group = "head" if name.startswith(("classifier", "pooler")) else "decayed" if value.ndim > 1 else "plain"
                groups[group].append(value)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": groups["head"], "scale": 2.0, "weight_decay": 0.0},
                {"params": groups["decayed"], "scale": 1.0, "weight_decay": 0.01},
                {"params": groups["plain"], "scale": 1.0, "weight_decay": 0.0},
            ],
            lr=args.rate, betas=(0.9, 0.98), eps=1e-6, fused=device != "cpu",
        )  # fmt: skip

    def cast(self) -> Weights:
        return {name: self.frozen.get(name, value.to(self.dtype) if name not in self.frozen else value) for name, value in self.weights.items()}

    def logits(self, queries: Tensor, units: Tensor, limit: int, budget: int) -> Tensor:
        """Of pairs, in their order."""
        weights = self.cast()
        flat, passages = self.work.queries, self.work.passages
        length = flat.lengths[queries]
        total = torch.minimum(length + 3 + passages.lengths[units], torch.tensor(limit, device=self.device))
        out, order = [], []
        for rows in batches(total, budget):
            own = length[rows]
            width = int(own.max()) + 2
            place = torch.arange(width, device=self.device)[None]
            source = (flat.starts[queries[rows]][:, None] + place - 1).clamp(0, len(flat.ids) - 1)
            prefix = torch.where(place == 0, CLS, torch.where(place <= own[:, None], flat.ids[source], SEP))
            ids, mask, types = lay_out(prefix, own + 2, passages, units[rows], limit, SEP, 0)
            hidden = bert(weights, ids, mask, types, layers=6, first_only=True)[:, 0]
            pooled = torch.tanh(functional.linear(hidden, weights["pooler.dense.weight"], weights["pooler.dense.bias"]))
            out.append(functional.linear(pooled.float(), self.weights["classifier.weight"], self.weights["classifier.bias"])[:, 0])
            order.append(rows)
        return torch.cat(out)[torch.argsort(torch.cat(order))]

    @torch.no_grad()
    def examine(self, count: int) -> str:
        """nDCG@10 and cross-entropy to the label of held-out training questions, BM25's hundred whole passages."""
        held = torch.from_numpy(self.work.held).to(self.device)
        said = []
        for number, shelf in enumerate(self.work.shelves):
            if not bool(self.work.units[1][shelf.units[0, 0]]):
                continue
            rows = torch.nonzero(held[shelf.queries] & shelf.label.any(1))[:count, 0]
            if not len(rows):
                continue
            units, queries = shelf.units[rows], shelf.queries[rows]
            scores = self.logits(queries[:, None].expand_as(units).flatten(), units.flatten(), 384, 4 * self.args.tokens).view_as(units)
            label = shelf.label[rows]
            entropy = -(torch.log_softmax(scores, 1).masked_fill(~label, -1e9)).amax(1).mean()
            kinds = np.array([self.work.kinds[q] for q in queries.tolist()])
            gains = ndcg(scores, label).cpu().numpy()
            said += [f"{name} {gains[kinds == name].mean():.4f}" for name in np.unique(kinds)] + [f"shelf {number} cross-entropy {entropy:.4f}"]
        return ", ".join(said)

    def save(self, output: Path, name: str) -> None:
        """Half precision without the frozen vectors, in two files of less than 16 MiB; numpy reads them."""
        state = {key: value.detach().half().cpu().numpy() for key, value in self.weights.items() if key not in self.frozen}
        later = {key for key in state if re.match(r"encoder\.layer\.[345]", key)}
        for part, keys in (("a", state.keys() - later), ("b", later)):
            np.savez(output / f"{name}-{part}.npz", **{key: state[key] for key in sorted(keys)})
        say("saved", name)


class Draw:
    """Lists for a step, drawn on the device: the answer, hard passages, and any of BM25's hundred."""

    def __init__(self, work: Work, device: str, seed: int) -> None:
        self.work, self.device = work, device
        self.random = np.random.default_rng(seed)
        self.pools: list[list[tuple[str, Tensor]]] = []
        kinds = np.array(work.kinds)
        for shelf in work.shelves:
            own = kinds[shelf.queries.cpu().numpy()]
            free = ~work.held[shelf.queries.cpu().numpy()]
            usable = (shelf.parts[..., 4] > 0).sum(1).cpu().numpy() >= 0.4 * CANDIDATES
            labelled = shelf.label.any(1).cpu().numpy()
            pools = []
            for kind in SHARES:
                # A question whose answer BM25 did not find has no label, only a teacher.
                rows = np.flatnonzero((own == kind) & free & usable & (labelled | (kind not in LABELLED)))
                if len(rows) >= 4:
                    pools.append((kind, torch.from_numpy(rows).to(device)))
            self.pools.append(pools)

    def take(self, whole: bool, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries, units, teacher's scores and the label's weight, of `count` lists from all shelves of one level."""
        choices = [
            (number, rows, kind)
            for number, (shelf, pools) in enumerate(zip(self.work.shelves, self.pools, strict=True))
            if bool(self.work.units[1][shelf.units[0, 0]]) == whole
            for kind, rows in pools
        ]
        # A kind on two shelves has its share by the number of its queries there.
        shares = np.array([SHARES[kind] * len(rows) / sum(len(r) for _, r, k in choices if k == kind) for _, rows, kind in choices])
        numbers = self.random.multinomial(count, shares / shares.sum())
        out = []
        for (number, rows, _), many in zip(choices, numbers, strict=True):
            if many:
                out.append(self.lists(self.work.shelves[number], rows[torch.randint(len(rows), (int(many),), device=self.device)]))
        return tuple(torch.cat(parts) for parts in zip(*out, strict=True))

    def lists(self, shelf: Shelf, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        score, label = shelf.score[rows], shelf.label[rows]
        rank = torch.argsort(torch.argsort(score, dim=1, descending=True), dim=1)
        labelled = label.any(1)
        best = torch.where(label, score, torch.tensor(-1e4, device=self.device)).argmax(1)
        top = torch.argsort(score, dim=1, descending=True)[torch.arange(len(rows), device=self.device), torch.randint(3, (len(rows),), device=self.device)]
        first = torch.where(labelled, best, top)
        key = torch.rand_like(score)
        key = key + 2.0 * ((rank < 20) & (torch.rand_like(score) < 0.3)) + 1.0 * ((torch.arange(CANDIDATES, device=self.device) < 12) & (torch.rand_like(score) < 0.25))
        key = key.masked_fill(label, -1.0)  # another answer is never called a negative
        key.scatter_(1, first[:, None], 9.0)
        chosen = key.topk(LIST_SIZE, dim=1).indices
        return shelf.queries[rows], shelf.units[rows].gather(1, chosen), score.gather(1, chosen), labelled.float()


def loss_of(logits: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    """The order at the top of the list, the distances all the way down it, and where zero lies."""
    first = torch.zeros_like(teacher)
    first[:, 0] = 1
    wanted = torch.where((first > 0) & (label[:, None] >= 1), teacher.amax(-1, keepdim=True), teacher) * TEACHER_SCALE
    share = (LABEL_SHARE * label)[:, None]
    target = (1 - share) * torch.softmax(wanted, -1) + share * first
    listwise = -(target * torch.log_softmax(logits, -1)).sum(-1).mean()
    regression = ((logits - logits.mean(-1, keepdim=True)) - (wanted - wanted.mean(-1, keepdim=True))).square().mean()
    pointwise = functional.binary_cross_entropy_with_logits(logits, first, reduction="none")
    weights = torch.where(first > 0, logits.shape[1] - 1.0, 1.0) * label[:, None]
    return listwise + REGRESSION_WEIGHT * regression + POINTWISE_WEIGHT * (weights * pointwise).sum() / weights.sum().clamp(min=1)


def train(student: Student, work: Work, args: argparse.Namespace, device: str) -> None:
    draw = Draw(work, device, args.seed)
    begin = time.monotonic()
    seconds = max(5.0, min(args.seconds, args.deadline - (begin - BEGIN)))
    say("training for", round(seconds), "s")
    losses, pairs, steps, saved, examined = [], 0, 0, False, 0
    while (progress := (time.monotonic() - begin) / seconds) < 1:
        whole = bool(draw.random.random() < (0.75 if progress > 0.3 else 0.4))
        queries, units, teacher, label = draw.take(whole, args.lists)
        limit = args.whole_tokens if whole else 160
        flat = queries[:, None].expand_as(units).flatten()
        logits = student.logits(flat, units.flatten(), limit, args.tokens).view_as(units)
        loss = loss_of(logits, teacher, label)
        loss.backward()
        rate = args.rate * min(progress / 0.05 + 0.01, (1 - progress) / 0.95)
        norm = torch.nn.utils.clip_grad_norm_([value for group in student.optimizer.param_groups for value in group["params"]], 1.0)
        for group in student.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        student.optimizer.step()
        student.optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        steps, pairs = steps + 1, pairs + len(flat)
        if steps % args.report == 0 or steps == 1:
            say(f"step {steps}, progress {progress:.2f}, loss {float(torch.stack(losses[-args.report:]).mean()):.4f}, norm {float(norm):.2f}, {pairs / (time.monotonic() - begin):,.0f} pairs/s")
            if not np.isfinite(float(loss)):
                say("the loss is no number: stopped")
                return
        if progress > (examined + 1) / 4:
            examined += 1
            say("held out", student.examine(min(40, args.examine)))
        if progress > 0.8 and not saved:
            saved = True
            student.save(args.output, "final")
    student.save(args.output, "final")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path(__file__).parents[1] / "tokenizer.json")
    parser.add_argument("--seconds", type=float, default=120, help="of training")
    parser.add_argument("--deadline", type=float, default=190, help="seconds after the start at which training ends")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--lists", type=int, default=64, help="a step")
    parser.add_argument("--tokens", type=int, default=49152, help="of a forward pass")
    parser.add_argument("--whole-tokens", type=int, default=288)
    parser.add_argument("--report", type=int, default=50)
    parser.add_argument("--examine", type=int, default=1000, help="held-out lists a shelf, before and after")
    parser.add_argument("--tiny", type=int, default=0, help="documents of a rehearsal")
    parser.add_argument("--seed", type=int, default=23)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    say(torch.__version__, device, torch.cuda.get_device_name() if device == "cuda" else "")
    work = Work(args, device)
    student = Student(work, args, device)
    say("start", student.examine(args.examine))
    train(student, work, args, device)
    say("end", student.examine(args.examine))


if __name__ == "__main__":
    main()
