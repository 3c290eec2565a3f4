"""How arrays and texts of the pack are stored: integers of few bits with scales by groups, and xz."""

import json
import lzma
import struct
from pathlib import Path

import numpy as np

GROUP = 32  # weights that share a scale, as in the 4-bit encoder


def store(path: Path, data: bytes, *, packed: bool = True) -> None:
    """xz, one file an item, so that the other side unpacks them side by side."""
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 if packed else 6, **({} if packed else {"lc": 0, "lp": 0, "pb": 0})}
    ]
    path.with_name(path.name + ".xz").write_bytes(lzma.compress(data, lzma.FORMAT_XZ, filters=filters))


def quantise(weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric integers by groups, and their scales."""
    grouped = weights.reshape(-1, GROUP if bits < 8 else weights.shape[-1]).astype(np.float32)
    limit = 2 ** (bits - 1) - 1
    scale = (np.abs(grouped).max(1, keepdims=True) / limit).astype(np.float16)
    safe = np.maximum(scale.astype(np.float32), 1e-8)
    whole = np.clip(np.rint(grouped / safe), -limit, limit).astype(np.int8)
    return whole, scale[:, 0]


def pack_nibbles(whole: np.ndarray) -> np.ndarray:
    flat = (whole.reshape(-1) + 8).astype(np.uint8)
    return flat[0::2] | (flat[1::2] << 4)


class Store:
    """Named arrays of one model, gathered into one file."""

    def __init__(self) -> None:
        self.index: list[dict] = []
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, name: str, array: np.ndarray) -> None:
        data = np.ascontiguousarray(array).tobytes()
        self.index.append({"name": name, "dtype": str(array.dtype), "shape": list(array.shape), "at": self.size})
        self.parts.append(data)
        self.size += len(data)

    def add_weights(self, name: str, weights: np.ndarray, bits: int) -> None:
        if weights.ndim < 2 or weights.shape[0] < 8:
            self.add(name, weights.astype(np.float32))
            return
        whole, scale = quantise(weights, bits)
        self.add(
            f"{name}:q{8 if bits == 8 else 4}:{weights.shape[0]}x{weights.shape[1]}",
            whole if bits == 8 else pack_nibbles(whole),
        )
        self.add(f"{name}:scale", scale)

    def data(self) -> bytes:
        header = json.dumps(self.index).encode()
        return struct.pack("<I", len(header)) + header + b"".join(self.parts)
