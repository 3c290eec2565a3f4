"""Reads what pack.py packed."""

import json
import lzma
import struct
from pathlib import Path

import numpy as np
import torch
from distilling.bert import Weights


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
            width = 1536 if part == "fo" else 384
            shape = (-1, width) if kind == "w" and "ln" not in part else (-1,)
            out[f"encoder.layer.{layer}.{names[part]}.{suffix[kind]}"] = value.reshape(shape)
    return out
