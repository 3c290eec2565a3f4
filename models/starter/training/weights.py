"""The start and the first encoder as the pack carries them: few bits a weight, no vectors of words that no text has."""

from pathlib import Path

import numpy as np
from encoder import encoder_path
from safetensors.numpy import load_file
from stores import Store, quantise
from tokenizers import Tokenizer

MARKERS = 110  # the first of the vocabulary: padding, unknown, markers and the unused


def short_names(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix("bert."): np.asarray(value, np.float32) for name, value in state.items()}


def pack_start(model: Path, texts: list[str]) -> tuple[bytes, dict[str, np.ndarray]]:
    """Eight bits a weight; also the weights as they will be read."""
    state, out = short_names(load_file(model)), Store()
    tokenizer = Tokenizer.from_file(str(model.with_name("tokenizer.json")))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unused = np.ones(tokenizer.get_vocab_size(), bool)
    unused[:MARKERS] = False
    for start in range(0, len(texts), 4096):
        for entry in tokenizer.encode_batch_fast(texts[start : start + 4096], add_special_tokens=False):
            unused[entry.ids] = False
    state["embeddings.word_embeddings.weight"][unused] = 0
    rebuilt = {}
    for name, value in state.items():
        out.add_weights(name, value, 8)
        rebuilt[name] = value
        if value.ndim == 2 and value.shape[0] >= 8:
            whole, scale = quantise(value, 8)
            rebuilt[name] = (whole * scale[:, None].astype(np.float32)).reshape(value.shape)
    return out.data(), rebuilt


def pack_difference(start: dict[str, np.ndarray]) -> bytes:
    """The first encoder less the start, which is small: 3 bits of that are as good as 6 of the whole."""
    out = Store()
    for name, value in short_names(load_file(encoder_path() / "model.safetensors")).items():
        if name.startswith("encoder.layer"):
            out.add_weights(name, value - start[name], 3)
        elif name.startswith("embeddings.") and "word" not in name and "position_ids" not in name:
            out.add(name, value.astype(np.float16 if value.ndim > 1 else np.float32))
    return out.data()
