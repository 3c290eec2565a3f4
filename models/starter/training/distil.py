"""Distil the starter itself, two encoders, BM25 and the labels into the starter on one GPU, from what pack.py packed.

Rows are packed without padding, nothing waits for the device inside a step, and the learning rate follows the clock.
Needs torch, numpy and tokenizers alone. Writes the last and the averaged weights, and how shares of them rank.
"""

import argparse
import json
import lzma
import re
import signal
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import starmap
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
LIST_SIZE = 14
TEACHER = (0.5, 0.5, 0.1)  # of MiniLM's and of e5's cosine the best window's share; of BM25
START_SHARES = (0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0)
LABEL_SHARE = 0.5
REGRESSION_WEIGHT = 0.3
POINTWISE_WEIGHT = 0.1
LABELLED = ("squad", "qed", "claim", "definition")
# How often each kind comes; what people typed or searched for is the most precious.
SHARES = {"qed": 0.17, "squad": 0.19, "typed": 0.22, "claim": 0.05, "definition": 0.06, "exercise": 0.06,
          "title": 0.09, "keywords": 0.10, "sentence": 0.06}  # fmt: skip
EMPTY = struct.pack("<I", 2) + b"[]"
Weights = dict[str, Tensor]
LOG: list[Path] = []


def say(*parts: object) -> None:
    line = " ".join([f"[{time.monotonic() - BEGIN:6.1f} s]", *map(str, parts)])
    print(line, flush=True)
    for path in LOG:
        with path.open("a") as file:
            file.write(line + "\n")


def load(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes())


def read_store(data: bytes) -> dict[str, np.ndarray]:
    (size,) = struct.unpack_from("<I", data)
    arrays = {}
    for entry in json.loads(data[4 : 4 + size]):
        count = int(np.prod(entry["shape"]))
        arrays[entry["name"]] = np.frombuffer(data, entry["dtype"], count, 4 + size + entry["at"]).reshape(
            entry["shape"]
        )
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
        for a, b in zip(cuts, cuts[1:], strict=False):
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
                begin,
                end,
            )
            at += count

    def lay_out(self, queries: Tensor, units: Tensor, lengths: Tensor, longest: int, begin: int, end: int) -> Row:
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
        return Row(ids.long(), inside >= 0, place, sequence, bounds.int(), longest, begin, end)


def attend_padded(query: Tensor, key: Tensor, value: Tensor, row: Row, *, first_only: bool) -> Tensor:
    """The same by padding, where there is no kernel for packed rows."""
    count = len(row.bounds) - 1
    wide = [
        torch.zeros(count, row.longest, 12, 32, device=key.device, dtype=key.dtype)
        .index_put((row.sequence, row.place), part)
        .transpose(1, 2)
        for part in (key, value)
    ]
    seen = (
        torch.arange(row.longest, device=key.device)[None, None, None]
        < (row.bounds[1:] - row.bounds[:-1])[:, None, None, None]
    )
    if first_only:
        return functional.scaled_dot_product_attention(query[:, :, None], *wide, seen)[:, :, 0]
    asked = torch.zeros_like(wide[0].transpose(1, 2)).index_put((row.sequence, row.place), query).transpose(1, 2)
    found = functional.scaled_dot_product_attention(asked, *wide, seen.expand(-1, 1, row.longest, -1))
    return found.transpose(1, 2)[row.sequence, row.place]


def attend_packed(query: Tensor, key: Tensor, value: Tensor, row: Row, *, first_only: bool) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415

    asking = torch.arange(len(row.bounds), device=key.device, dtype=torch.int32) if first_only else row.bounds
    return varlen_attn(query, key, value, asking, row.bounds, 1 if first_only else row.longest, row.longest)


def after_attention(context: Tensor, x: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """The rest of a layer."""
    out, out_bias, scale, shift, inner, inner_bias, outer, outer_bias, last_scale, last_shift = weights
    x = functional.layer_norm(functional.linear(context, out, out_bias) + x, (384,), scale, shift, 1e-12)
    grown = functional.gelu(functional.linear(x, inner, inner_bias))
    return functional.layer_norm(functional.linear(grown, outer, outer_bias) + x, (384,), last_scale, last_shift, 1e-12)


class Kernels:
    """How attention and the rest of a layer are computed: settled once, by trying."""

    def __init__(self, device: str, tokens: int) -> None:
        self.device, self.tokens = device, tokens
        self.train_dtype, self.read_dtype = (
            (torch.bfloat16, torch.float16) if device == "cuda" else (torch.float32, torch.float32)
        )
        self.attend: Callable[..., Tensor] = attend_padded
        self.rest: Callable[..., Tensor] = after_attention

    def settle(self, *, compiled: bool) -> None:
        if self.device == "cuda":
            try:
                self.try_packed()
            except Exception as error:  # noqa: BLE001 - whatever it is, a slower way is left
                say("packed attention failed, padded instead:", type(error).__name__, str(error)[:300])
        if compiled:
            eager = self.time_layer(after_attention)
            signal.signal(signal.SIGALRM, out_of_time)
            signal.alarm(60)
            try:
                fused = torch.compile(after_attention, dynamic=False)
                begin = time.monotonic()
                faster = self.time_layer(fused)
                self.time_layer(fused, self.read_dtype)
                say(
                    f"rest of a layer, forward and backward: eager {eager:.2f} ms, compiled {faster:.2f} ms; compiling took {time.monotonic() - begin:.1f} s"
                )
                if faster < eager:
                    self.rest = fused
            except Exception as error:  # noqa: BLE001
                say("compiling failed, eager instead:", type(error).__name__, str(error)[:300])
            finally:
                signal.alarm(0)

    def try_packed(self) -> None:
        """Against the padded way, both passes."""
        torch.manual_seed(1)
        lengths = torch.tensor([5, 130, 64, 1, 288, 24], device=self.device)
        total = int(lengths.sum())
        bounds = functional.pad(torch.cumsum(lengths, 0), (1, 0))
        sequence = torch.repeat_interleave(torch.arange(len(lengths), device=self.device), lengths)
        place = torch.arange(total, device=self.device) - bounds[sequence]
        row = Row(place, place, place, sequence, bounds.int(), 288, 0, 6)
        for first_only in (False, True):
            for dtype in (self.train_dtype, self.read_dtype):
                made = torch.randn(total, 3, 12, 32, device=self.device, dtype=dtype)
                results = []
                for way in (attend_packed, attend_padded):
                    q, k, v = made.clone().requires_grad_().unbind(1)
                    leaves = (q, k, v)
                    for leaf in leaves:
                        leaf.retain_grad()
                    asked = q[row.bounds[:-1].long()] if first_only else q
                    found = way(asked, k, v, row, first_only=first_only)
                    (found.float() * torch.linspace(-1, 1, 32, device=self.device)).sum().backward()
                    results.append([found.detach().float(), *(leaf.grad.float() for leaf in leaves)])
                worst = max(
                    float((a - b).abs().max() / b.abs().max().clamp(min=1e-3)) for a, b in zip(*results, strict=True)
                )
                if not worst < 0.05:  # noqa: PLR2004
                    raise ArithmeticError(f"off by {worst}")
        say(f"packed attention agrees with padded (last: {worst:.4f})")
        self.attend = attend_packed

    def time_layer(self, rest: Callable[..., Tensor], dtype: torch.dtype | None = None) -> float:
        """Milliseconds of both passes; of reading alone where a type is given."""
        kind, grad = dtype or self.train_dtype, dtype is None
        shapes = ((384, 384), (384,), (384,), (384,), (1536, 384), (1536,), (384, 1536), (384,), (384,), (384,))
        weights = tuple(
            (torch.randn(*shape, device=self.device, dtype=torch.float32) * 0.02).requires_grad_(grad)
            for shape in shapes
        )
        context, x = (
            torch.randn(self.tokens, 384, device=self.device, dtype=kind).requires_grad_(grad) for _ in range(2)
        )
        for number in range(8):
            if number == 3:  # noqa: PLR2004 - after three to warm up
                self.wait()
                begin = time.monotonic()
            with torch.set_grad_enabled(grad):
                out = rest(context, x, tuple(weight.to(kind) for weight in weights))
            if grad:
                out.backward(torch.ones_like(out))
        self.wait()
        return (time.monotonic() - begin) / 5 * 1000

    def wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def out_of_time(*_: object) -> None:
    raise TimeoutError("took too long")


@dataclass(slots=True)
class Cast:
    """Weights of a BERT in the type that is multiplied, queries, keys and values side by side."""

    words: Tensor
    places: Tensor
    types: Tensor
    norm: tuple[Tensor, Tensor]
    layers: list[tuple[Tensor, Tensor, tuple[Tensor, ...]]]
    head: tuple[Tensor, ...] | None


REST = ("attention.output.dense.weight", "attention.output.dense.bias", "attention.output.LayerNorm.weight", "attention.output.LayerNorm.bias",
        "intermediate.dense.weight", "intermediate.dense.bias", "output.dense.weight", "output.dense.bias",
        "output.LayerNorm.weight", "output.LayerNorm.bias")  # fmt: skip


def cast(weights: Weights, dtype: torch.dtype) -> Cast:
    w = {name: value if name.startswith("classifier") else value.to(dtype) for name, value in weights.items()}
    layers = []
    for number in range(1 + max(int(name.split(".")[2]) for name in w if name.startswith("encoder.layer"))):
        key = f"encoder.layer.{number}."
        three = [f"{key}attention.self.{part}." for part in ("query", "key", "value")]
        layers.append(
            (
                torch.cat([w[part + "weight"] for part in three]),
                torch.cat([w[part + "bias"] for part in three]),
                tuple(w[key + part] for part in REST),
            )
        )
    e = "embeddings."
    head = (
        tuple(w[name] for name in ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"))
        if "classifier.weight" in w
        else None
    )
    return Cast(w[e + "word_embeddings.weight"], w[e + "position_embeddings.weight"], w[e + "token_type_embeddings.weight"],
                (w[e + "LayerNorm.weight"], w[e + "LayerNorm.bias"]), layers, head)  # fmt: skip


def encode(kernels: Kernels, weights: Cast, row: Row, *, first_only: bool = False) -> Tensor:
    """Tokens' states; or, with the last layer computed for those alone, each sequence's first."""
    # Of two rows for all tokens: as a lookup its gradient would be summed one token after the other.
    kinds = weights.types[0] + row.types[:, None].to(weights.types.dtype) * (weights.types[1] - weights.types[0])
    x = weights.words[row.ids] + weights.places[row.place] + kinds
    x = functional.layer_norm(x, (384,), *weights.norm, 1e-12)
    for number, (three, bias, rest) in enumerate(weights.layers):
        if first_only and number == len(weights.layers) - 1:
            read = x[row.bounds[:-1].long()]
            query = functional.linear(read, three[:384], bias[:384]).unflatten(-1, (12, 32))
            key, value = functional.linear(x, three[384:], bias[384:]).unflatten(-1, (2, 12, 32)).unbind(1)
            return after_attention(kernels.attend(query, key, value, row, first_only=True).flatten(1), read, rest)
        query, key, value = functional.linear(x, three, bias).unflatten(-1, (3, 12, 32)).unbind(1)
        x = kernels.rest(kernels.attend(query, key, value, row, first_only=False).flatten(1), x, rest)
    return x


def logits_of(kernels: Kernels, weights: Cast, row: Row) -> Tensor:
    """Of the pairs asked for, not of what fills the row."""
    hidden = encode(kernels, weights, row, first_only=True)[: row.end - row.begin]
    dense, bias, last, last_bias = weights.head
    pooled = torch.tanh(functional.linear(hidden, dense, bias))
    return functional.linear(pooled.float(), last.float(), last_bias.float())[:, 0]


@torch.no_grad()
def read_logits(kernels: Kernels, weights: Cast, pairs: Pairs, queries: Tensor, units: Tensor, limit: int) -> Tensor:
    return torch.cat([logits_of(kernels, weights, row) for row in pairs.rows(queries, units, limit)])


@torch.no_grad()
def embed(kernels: Kernels, weights: Cast, pairs: Pairs, limit: int = 512) -> Tensor:
    """Mean-pooled, normalised embeddings of all passages after the first prefix."""
    units = torch.arange(len(pairs.passages.body_start), device=kernels.device)
    out = []
    for row in pairs.rows(torch.zeros_like(units), units, limit):
        count = len(row.bounds) - 1
        row.types = torch.zeros_like(row.types)
        hidden = encode(kernels, weights, row).float()
        total = torch.zeros(count, 384, device=kernels.device).index_add_(0, row.sequence, hidden)
        out.append(functional.normalize(total[: row.end - row.begin], dim=1).to(kernels.read_dtype))
    return torch.cat(out)


class Texts:
    """What the host reads, tokenises and counts while the device warms up."""

    def __init__(self, args: argparse.Namespace) -> None:
        pack = args.pack
        names = (
            "sentences.txt",
            "heads.txt",
            "queries.txt",
            "stems.txt",
            "small.json",
            "tests.json",
            "e5-vocabulary.json",
            "start.bin",
            "minilm.bin",
            "e5.bin",
        )
        names = tuple(name for name in names if (pack / f"{name}.xz").exists())
        with ThreadPoolExecutor(len(names)) as pool:
            self.data = dict(zip(names, pool.map(lambda name: load(pack / f"{name}.xz"), names), strict=True))
        say("unpacked")
        small = json.loads(self.data["small.json"])
        sentences, heads, queries, stems = (
            self.data[f"{name}.txt"].decode().split("\n") for name in ("sentences", "heads", "queries", "stems")
        )
        units = np.array(small["units"])
        tests = json.loads(self.data["tests.json"])
        # A text that the pack holds anyway is its title and the unit.
        tests["texts"] = [
            text if isinstance(text, str) else " ".join([text[0], *sentences[units[3][text[1]] : units[4][text[1]]]])
            for text in tests["texts"]
        ]
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
            small["positives"] = [[int(renumber[u]) for u in row if renumber[u] >= 0] for row in small["positives"]]
            chosen = np.array([i for i, row in enumerate(small["positives"]) if (row and i % 3 == 0) or i % 800 == 0])
        self.kinds = [small["kinds"][i] for i in chosen]
        self.positives = [small["positives"][i] for i in chosen]
        self.held = np.array([int(small["held"][i]) for i in chosen])
        self.places = np.array([int(small["places"][i]) for i in chosen])
        queries = [queries[i] for i in chosen]
        self.units = units
        self.document_place = np.array([int(place) for place in small["document_place"]])
        self.stop = set(small["stop"])

        tokenizer = Tokenizer.from_file(str(args.tokenizer))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.queries = flatten(tokenizer, queries, 64, (CLS,), (SEP,))
        self.sentences, self.heads = (flatten(tokenizer, texts) for texts in (sentences, heads))
        self.prefix = flatten(tokenizer, [""], first=(CLS,))
        self.bare_queries = flatten(tokenizer, queries, 64)
        if args.tiny:
            tests["collections"] = {
                name: [[query, numbers[:8], gains[:8], ideal] for query, numbers, gains, ideal in rows[:2]]
                for name, rows in tests["collections"].items()
            }
            wanted = {number for rows in tests["collections"].values() for row in rows for number in row[1]}
            tests["texts"] = [text if number in wanted else "" for number, text in enumerate(tests["texts"])]
        self.tests = {
            name: (flatten(tokenizer, [row[0] for row in rows], 256, (CLS,), (SEP,)), rows)
            for name, rows in tests["collections"].items()
        }
        self.test_texts = flatten(tokenizer, tests["texts"])
        say("tokens of sentences", len(self.sentences.ids), "units", units.shape[1], "queries", len(queries))

        vocabulary = json.loads(self.data["e5-vocabulary.json"])
        first, self.e5_end, _, unknown = vocabulary["special"]
        unigram = Tokenizer(
            models.Unigram(
                list(zip(vocabulary["pieces"], vocabulary["scores"], strict=True)), unk_id=unknown, byte_fallback=False
            )
        )
        unigram.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
        unigram.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
        self.e5_prefixes = [flatten(unigram, [text], first=(first,)) for text in ("passage:", "query:")]
        self.e5_sentences, self.e5_heads = (flatten(unigram, texts) for texts in (sentences, heads))
        self.e5_queries = flatten(unigram, queries, 64)
        say("tokens for e5")
        stemmed = dict(self.stem(line) for line in stems if line)
        self.terms: dict[str, int] = {}
        self.text_terms = [self.count(text, stemmed) for text in (*sentences, *heads)]
        self.query_terms = [self.count(text, stemmed) for text in queries]
        self.sentence_count = len(sentences)
        say("terms", len(self.terms))

    def count(self, text: str, stemmed: dict[str, str]) -> np.ndarray:
        terms = self.terms
        return np.array(
            [
                terms.setdefault(stemmed.get(word, word), len(terms))
                for word in WORD.findall(text.lower())
                if word not in self.stop
            ],
            np.int64,
        )

    @staticmethod
    def stem(line: str) -> tuple[str, str]:
        word, change = line.split(" ", 1)
        digits = re.match(r"\d+", change)[0]
        return word, word[: len(word) - int(digits)] + change[len(digits) :]


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
        # Without the first encoder the second stands in for it.
        difference = dequantise(read_store(texts.data.get("minilm.bin", EMPTY)))
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
            m_units, m_queries = (
                both(minilm, [texts.prefix] * 2, SEP, (passages, texts.bare_queries))
                if difference
                else (e_units, e_queries)
            )
            say("MiniLM" if difference else "no MiniLM in the pack")
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


class Exam:
    """Held-out training questions with BM25's hundred, by which choices are made, and the test sets, which are only read."""

    def __init__(self, work: Work, kernels: Kernels, count: int) -> None:
        self.work, self.kernels = work, kernels
        self.lists = []
        for shelf in work.shelves:
            if shelf.whole:
                held = work.held[shelf.queries]
                for kind in LABELLED:
                    for level, name in ((1, kind), (2, f"{kind}-seen")):
                        own = torch.from_numpy(work.kinds[shelf.queries.cpu().numpy()] == kind).to(work.device)
                        rows = torch.nonzero((held == level) & shelf.label.any(1) & own)[:count, 0]
                        if len(rows):
                            self.lists.append(
                                (name, shelf.queries[rows], shelf.units[rows], shelf.label[rows], shelf.score[rows])
                            )

    def logits(self, weights: Cast) -> dict[str, Tensor]:
        found = {}
        for name, queries, units, _, _ in self.lists:
            flat = queries[:, None].expand_as(units).flatten()
            found[name] = read_logits(self.kernels, weights, self.work.pairs, flat, units.flatten(), 512).view_as(units)
        return found

    def gains(self, logits: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: ndcg(logits[name], label) for name, _, _, label, _ in self.lists}

    def entropy(self, logits: dict[str, Tensor]) -> float:
        """Cross-entropy to the best label, the mean of the kinds."""
        return float(
            np.mean(
                [
                    float(-torch.log_softmax(logits[name], 1).masked_fill(~label, -1e9).amax(1).mean())
                    for name, _, _, label, _ in self.lists
                ]
            )
        )

    def tests(self, weights: Cast) -> dict[str, np.ndarray]:
        """nDCG@10 of each query of each collection, gains as graded."""
        found = {}
        device = self.work.device
        for name, (pairs, rows) in self.work.tests.items():
            queries = torch.tensor([number for number, row in enumerate(rows) for _ in row[1]], device=device)
            units = torch.tensor([unit for row in rows for unit in row[1]], device=device)
            scores = read_logits(self.kernels, weights, pairs, queries, units, 512).float().cpu().numpy()
            gains, at = [], 0
            discount = 1 / np.log2(np.arange(2, 12))
            for _, candidates, judged, ideal in rows:
                order = np.argsort(-scores[at : at + len(candidates)], kind="stable")[:10]
                best = np.array([max(0, gain) for gain in ideal][:10])
                gains.append(
                    float(
                        (np.array(judged)[order] * discount[: len(order)]).sum() / (best * discount[: len(best)]).sum()
                    )
                )
                at += len(candidates)
            found[name] = np.array(gains)
        return found


@dataclass(slots=True)
class Teacher:
    """How much of the frozen start each kind's teacher has, and how far its logits spread over a hundred."""

    start: Cast
    shares: dict[str, float]
    scale: float


def settle_teacher(exam: Exam, start: Cast, logits: dict[str, Tensor]) -> Teacher:
    """On held-out training questions that the start did not read: no kind gets a teacher below the start."""
    best = {}
    for name, _, _, label, score in exam.lists:
        row = {
            share: float(ndcg(share * z(logits[name]) + (1 - share) * score, label).mean()) for share in START_SHARES
        }
        say(
            f"teacher of {name} ({len(label)}) by share of the start:",
            ", ".join(starmap("{} {:.4f}".format, row.items())),
        )
        best[name] = max(START_SHARES, key=lambda share, row=row: (round(row[share], 4), -share))
    known = {name: best.get(name, 0.5) for name in LABELLED}
    mean = float(np.mean(list(known.values())))
    shares = (
        known
        | {"exercise": known["squad"], "typed": min(known["qed"], 0.5)}
        | dict.fromkeys(("title", "keywords", "sentence"), min(mean, 0.5))
    )
    scale = float(np.clip(np.mean([float(found.std(1).mean()) for found in logits.values()]), 1.0, 4.0))
    say("shares of the start", shares, f"spread of its logits {scale:.3f}")
    return Teacher(start, shares, scale)


class Student:
    def __init__(self, work: Work, args: argparse.Namespace, kernels: Kernels) -> None:
        self.kernels = kernels
        self.weights = {
            name: value.to(work.device).float() for name, value in work.start.items() if "position_ids" not in name
        }
        self.frozen = {
            name: value.to(kernels.train_dtype)
            for name, value in self.weights.items()
            if "word_emb" in name or "position_emb" in name
        }
        self.free = {name: value for name, value in self.weights.items() if name not in self.frozen}
        self.began = {name: value.clone() for name, value in self.free.items()}
        self.averaged = {name: value.clone() for name, value in self.free.items()}
        groups: dict[str, list[Tensor]] = {"head": [], "decayed": [], "plain": []}
        for name, value in self.free.items():
            value.requires_grad_()
            groups[
                "head" if name.startswith(("classifier", "pooler")) else "decayed" if value.ndim > 1 else "plain"
            ].append(value)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": groups["head"], "scale": 2.0, "weight_decay": 0.0},
                {"params": groups["decayed"], "scale": 1.0, "weight_decay": 0.01},
                {"params": groups["plain"], "scale": 1.0, "weight_decay": 0.0},
            ],
            lr=args.rate, betas=(0.9, 0.98), eps=1e-6, fused=work.device != "cpu",
        )  # fmt: skip

    def training(self) -> Cast:
        return cast(self.free | self.frozen, self.kernels.train_dtype)

    @torch.no_grad()
    def reading(self, source: Weights, share: float) -> Cast:
        """Weights that lie between where it began and `source`."""
        mixed = {name: torch.lerp(self.began[name], value.detach(), share) for name, value in source.items()}
        return cast({name: value.detach() for name, value in self.weights.items()} | mixed, self.kernels.read_dtype)

    def average(self, step: int) -> None:
        with torch.no_grad():
            weight = 1 - min(0.998, step / (step + 10))
            torch._foreach_lerp_(list(self.averaged.values()), [value.detach() for value in self.free.values()], weight)  # noqa: SLF001

    @staticmethod
    def save(source: Weights, output: Path, name: str) -> None:
        """Half precision without the frozen vectors, in two files of less than 15 MiB; numpy reads them."""
        state = {key: value.detach().half().cpu().numpy() for key, value in source.items()}
        later = {key for key in state if re.match(r"encoder\.layer\.[345]", key)}
        for part, keys in (("a", state.keys() - later), ("b", later)):
            np.savez(output / f"{name}-{part}.npz", **{key: state[key] for key in sorted(keys)})
        say("saved", name)


@dataclass(slots=True)
class Lists:
    """Drawn lists: the answer first, where there is one."""

    queries: Tensor
    units: Tensor
    score: Tensor
    label: Tensor
    share: Tensor


class Draw:
    """Many lists at once, drawn on the device: the answer, hard passages, and any of BM25's hundred."""

    def __init__(self, work: Work, teacher: Teacher, seed: int) -> None:
        self.work, self.device, self.teacher = work, work.device, teacher
        self.random = np.random.default_rng(seed)
        self.pools: list[tuple[Shelf, str, Tensor]] = []
        for shelf in work.shelves:
            rows_of = shelf.queries.cpu().numpy()
            free = (work.held[shelf.queries] == 0).cpu().numpy()
            usable = (shelf.parts[..., 4] > 0).sum(1).cpu().numpy() >= 0.4 * CANDIDATES
            labelled = shelf.label.any(1).cpu().numpy()
            for kind in SHARES:
                # A question whose answer BM25 did not find has no label, only a teacher.
                rows = np.flatnonzero(
                    (work.kinds[rows_of] == kind) & free & usable & (labelled | (kind not in LABELLED))
                )
                if len(rows) >= 4:  # noqa: PLR2004
                    self.pools.append((shelf, kind, torch.from_numpy(rows).to(self.device)))
        say("pools", [(kind, "whole" if shelf.whole else "windows", len(rows)) for shelf, kind, rows in self.pools])

    def take(self, count: int, whole: float) -> Lists:
        """`count` lists in random order, the share `whole` of them of whole passages."""
        shares = np.array([
            SHARES[kind] * (whole if shelf.whole else 1 - whole) * len(rows) / sum(len(r) for s, k, r in self.pools if k == kind and s.whole == shelf.whole)
            for shelf, kind, rows in self.pools
        ])  # fmt: skip
        parts = []
        for (shelf, kind, rows), many in zip(
            self.pools, self.random.multinomial(count, shares / shares.sum()), strict=True
        ):
            if many:
                parts.append(
                    self.lists(
                        shelf,
                        rows[torch.randint(len(rows), (int(many),), device=self.device)],
                        self.teacher.shares[kind],
                    )
                )
        order = torch.randperm(count, device=self.device)
        return Lists(*(torch.cat(columns)[order] for columns in zip(*parts, strict=True)))

    def lists(self, shelf: Shelf, rows: Tensor, share: float) -> tuple[Tensor, ...]:
        score, label = shelf.score[rows], shelf.label[rows]
        rank = torch.argsort(torch.argsort(score, dim=1, descending=True), dim=1)
        labelled = label.any(1)
        best = torch.where(label, score, -1e4).argmax(1)
        top = torch.argsort(score, dim=1, descending=True)[
            torch.arange(len(rows), device=self.device), torch.randint(3, (len(rows),), device=self.device)
        ]
        first = torch.where(labelled, best, top)
        key = torch.rand_like(score)
        key = (
            key
            + 2.0 * ((rank < 20) & (torch.rand_like(score) < 0.3))
            + 1.0 * ((torch.arange(CANDIDATES, device=self.device) < 12) & (torch.rand_like(score) < 0.25))
        )
        key = key.masked_fill(label, -1.0)  # another answer is never called a negative
        key.scatter_(1, first[:, None], 9.0)
        chosen = key.topk(LIST_SIZE, dim=1).indices
        return (
            shelf.queries[rows],
            shelf.units[rows].gather(1, chosen),
            score.gather(1, chosen),
            labelled.float(),
            torch.full_like(labelled, share, dtype=torch.float),
        )


def target_of(score: Tensor, start: Tensor, share: Tensor, scale: float) -> Tensor:
    """The teacher's logits of each list: the start's, brought to the same mean and spread, mixed with the encoders'."""
    spread = score.std(1, keepdim=True)
    own = (start - start.mean(1, keepdim=True)) / start.std(1, keepdim=True).clamp(min=1e-3) * spread + score.mean(
        1, keepdim=True
    )
    return (share[:, None] * own + (1 - share[:, None]) * score) * scale


def loss_of(logits: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    """Of each list: the order at the top of it, the distances all the way down it, and where zero lies."""
    first = torch.zeros_like(teacher)
    first[:, 0] = 1
    wanted = torch.where((first > 0) & (label[:, None] >= 1), teacher.amax(-1, keepdim=True), teacher)
    share = (LABEL_SHARE * label)[:, None]
    target = (1 - share) * torch.softmax(wanted, -1) + share * first
    listwise = -(target * torch.log_softmax(logits, -1)).sum(-1)
    regression = ((logits - logits.mean(-1, keepdim=True)) - (wanted - wanted.mean(-1, keepdim=True))).square().mean(-1)
    pointwise = functional.binary_cross_entropy_with_logits(logits, first, reduction="none")
    weights = torch.where(first > 0, logits.shape[1] - 1.0, 1.0) * label[:, None]
    return (
        listwise
        + REGRESSION_WEIGHT * regression
        + POINTWISE_WEIGHT * (weights * pointwise).sum(-1) / (2 * logits.shape[1] - 2)
    )


def train(student: Student, work: Work, teacher: Teacher, args: argparse.Namespace) -> None:
    kernels = student.kernels
    draw = Draw(work, teacher, args.seed)
    begin = told = time.monotonic()
    seconds = max(5.0, min(args.seconds, args.deadline - (begin - BEGIN)))
    say(f"training for {seconds:.0f} s")
    pairs, tokens, steps, micro, saved, losses = 0, 0, 0, 0, False, []
    parameters = [value for group in student.optimizer.param_groups for value in group["params"]]
    progress = 0.0
    while progress < 1:
        lists = draw.take(args.draw, 0.5 if progress < 0.3 else 0.8)  # noqa: PLR2004
        flat, units = lists.queries.repeat_interleave(LIST_SIZE), lists.units.flatten()
        for row in work.pairs.rows(flat, units, args.whole_tokens, LIST_SIZE):
            mine = slice(row.begin // LIST_SIZE, row.end // LIST_SIZE)
            with torch.no_grad():
                start = logits_of(kernels, teacher.start, row).view(-1, LIST_SIZE).float()
                target = target_of(lists.score[mine], start, lists.share[mine], teacher.scale)
            logits = logits_of(kernels, student.training(), row).view(-1, LIST_SIZE)
            loss = loss_of(logits, target, lists.label[mine]).mean()
            (loss / args.micro).backward()
            losses.append(loss.detach())
            pairs, tokens, micro = pairs + row.end - row.begin, tokens + kernels.tokens, micro + 1
            if micro % args.micro:
                continue
            norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for group in student.optimizer.param_groups:
                group["lr"] = args.rate * min(progress / 0.04 + 0.01, max(0.0, 1 - progress)) * group["scale"]
            student.optimizer.step()
            student.optimizer.zero_grad(set_to_none=True)
            steps += 1
            student.average(steps)
            now = time.monotonic()
            if now - told > 10 or steps == 1:  # noqa: PLR2004 - seconds
                told = now
                mean = float(torch.stack(losses).mean())
                losses.clear()
                spent = time.monotonic() - begin
                say(
                    f"step {steps}, progress {progress:.2f}, loss {mean:.4f}, norm {float(norm):.2f}, {pairs / spent:,.0f} pairs/s, {tokens / spent:,.0f} tokens/s"
                )
                if not np.isfinite(mean):
                    say("the loss is no number: stopped")
                    return
            progress = (time.monotonic() - begin) / seconds
            if progress > 0.6 and not saved:  # noqa: PLR2004
                saved = True
                student.save(student.free, args.output, "final")
            if progress >= 1:
                break
    kernels.wait()
    say(f"trained {steps} steps, {pairs:,} pairs, {tokens:,} tokens")


def compare(
    student: Student, exam: Exam, before: dict[str, Tensor], read: dict[str, np.ndarray], args: argparse.Namespace
) -> None:
    """What every share of the way from the start ranks like. The choice is by held-out training questions alone."""
    results, rows = {}, []
    slowest = 0.0
    plan = [
        ("last", 0.5),
        ("last", 1.0),
        ("last", 0.75),
        ("averaged", 1.0),
        ("last", 0.25),
        ("averaged", 0.5),
        ("averaged", 0.75),
        ("averaged", 0.25),
    ]
    for source, share in plan:
        begun = time.monotonic()
        if begun - BEGIN + 1.3 * slowest > args.stop:
            say("no time left for", source, share)
            continue
        weights = student.reading({"last": student.free, "averaged": student.averaged}[source], share)
        logits = exam.logits(weights)
        gains = exam.gains(logits)
        change = {
            name: (
                float((gains[name] - before[name]).mean()),
                float((gains[name] - before[name]).std() / len(gains[name]) ** 0.5),
            )
            for name in gains
        }
        mean = float(np.mean([float(value.mean()) for value in gains.values()]))
        tests = exam.tests(weights)
        results[f"{source} {share}"] = {
            "held out": {name: float(value.mean()) for name, value in gains.items()},
            "tests": {name: float(value.mean()) for name, value in tests.items()},
            "tests less start": {name: float((value - read[name]).mean()) for name, value in tests.items()},
            "tests less start, error": {
                name: float((value - read[name]).std() / len(value) ** 0.5) for name, value in tests.items()
            },
            "cross-entropy": exam.entropy(logits),
        }
        rows.append((mean, min(low for low, _ in change.values()), source, share))
        say(
            f"{source} {share}: held out mean {mean:.4f}, cross-entropy {exam.entropy(logits):.4f};",
            ", ".join(f"{n} {d:+.4f}±{e:.4f}" for n, (d, e) in change.items()),
        )
        say(
            f"{source} {share}: TEST",
            ", ".join(f"{n} {v.mean():.4f} ({(v - read[n]).mean():+.4f})" for n, v in tests.items()),
        )
        slowest = max(slowest, time.monotonic() - begun)
        (args.output / "results.json").write_text(json.dumps(results, indent=1))
    if rows:
        safe = [row for row in rows if row[1] > -0.004]  # noqa: PLR2004 - what a few hundred questions cannot tell from nothing
        say("chosen by held-out questions:", max(safe or rows), "" if safe else "(but a kind fell)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path(__file__).parents[1] / "tokenizer.json")
    parser.add_argument("--seconds", type=float, default=200, help="of training")
    parser.add_argument("--deadline", type=float, default=242, help="seconds after the start at which training ends")
    parser.add_argument(
        "--stop", type=float, default=290, help="seconds after the start at which the last comparison ends"
    )
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--tokens", type=int, default=65536, help="of a packed row")
    parser.add_argument("--micro", type=int, default=4, help="rows a step")
    parser.add_argument("--draw", type=int, default=4096, help="lists drawn at once")
    parser.add_argument("--whole-tokens", type=int, default=384)
    parser.add_argument("--examine", type=int, default=400, help="held-out lists a kind")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--tiny", type=int, default=0, help="documents of a rehearsal")
    parser.add_argument("--seed", type=int, default=23)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    LOG.append(args.output / "log.txt")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    say(torch.__version__, device, torch.cuda.get_device_name() if device == "cuda" else "", vars(args))
    kernels = Kernels(device, args.tokens)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(Texts, args)
        kernels.settle(compiled=not args.no_compile)
        texts = reading.result()
    work = Work(texts, kernels, device)
    exam = Exam(work, kernels, args.examine)
    student = Student(work, args, kernels)
    start = student.reading(student.free, 0.0)
    logits = exam.logits(start)
    before = exam.gains(logits)
    say(
        "start, held out:",
        ", ".join(f"{name} {gains.mean():.4f} of {len(gains)}" for name, gains in before.items()),
        f"cross-entropy {exam.entropy(logits):.4f}",
    )
    read = exam.tests(start)
    say("start, TEST:", ", ".join(f"{name} {value.mean():.4f} of {len(value)}" for name, value in read.items()))
    teacher = settle_teacher(exam, start, logits)
    train(student, work, teacher, args)
    student.save(student.free, args.output, "final")
    student.save(student.averaged, args.output, "averaged")
    compare(student, exam, before, read, args)
    say("peak memory", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device == "cuda" else "none")


if __name__ == "__main__":
    main()
