"""Rerankers of given shapes with random weights and the starter's tokenizer: speed does not depend on weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Qwen3Config,
    XLMRobertaConfig,
)

from benchmarks.harness.encoder_shapes import XLM_R_LARGE
from benchmarks.harness.language_model_shapes import QWEN3_06B, TINY
from benchmarks.shared_prompts.models import PAD_TOKEN_ID, prompting_tokenizer
from benchmarks.shared_prompts.models import WINDOW as PROMPT_WINDOW

STARTER = Path(__file__).parents[2] / "models" / "starter"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")

# BERT large: 24 layers of width 1024.
# Source: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2019, section 3.
BERT_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
TINY_CHANGES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256}
# A tokenizer that knows a fraction of a table is refused as another model's; rows that are never read cost no time.
VOCABULARY = 31_000
SEED = 11


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape by name; `changes` are made to the starter's configuration, unless it is of another architecture."""

    name: str
    changes: dict[str, Any]
    architecture: Literal["bert", "xlm-roberta", "qwen3"] = "bert"


# With the shipped conversion, which is what a CPU computes with.
CONVERTED = "starter-int8"
SHAPES = (
    Shape("starter", {}),
    Shape(CONVERTED, {}),
    Shape("bert-large", BERT_LARGE),
    Shape("xlmr-560m", XLM_R_LARGE | {"vocab_size": VOCABULARY}, architecture="xlm-roberta"),
    Shape("qwen3-0.6b", QWEN3_06B, architecture="qwen3"),
)
TINY_SHAPES = (
    Shape("starter", TINY_CHANGES),
    Shape(CONVERTED, {}),
    Shape("bert-large", TINY_CHANGES | {"num_hidden_layers": 3}),
    Shape("xlmr-560m", XLM_R_LARGE | TINY_CHANGES | {"vocab_size": VOCABULARY}, architecture="xlm-roberta"),
    Shape("qwen3-0.6b", TINY, architecture="qwen3"),
)


def write_model(shape: Shape, folder: Path, device: torch.device) -> dict[str, Any]:
    """A model folder as a service loads it, of random weights in half precision on a GPU; its size."""
    folder.mkdir(parents=True)
    torch.manual_seed(SEED)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    config = _config(shape)
    kind = AutoModelForCausalLM if shape.architecture == "qwen3" else AutoModelForSequenceClassification
    with device:
        model = kind.from_config(config, dtype=dtype)
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        shutil.copy(STARTER / name, folder / name)
    if shape.architecture == "qwen3":
        prompting_tokenizer().save(str(folder / "tokenizer.json"))
    converted = STARTER / "openvino"
    if shape.name == CONVERTED and converted.is_dir():
        # Of the shipped weights, while those beside it are random: no score of this folder means anything.
        shutil.copytree(converted, folder / "openvino")
    return {"parameters": sum(weights.numel() for weights in model.parameters())}


def _config(shape: Shape) -> Any:  # noqa: ANN401 - transformers' own
    if shape.architecture == "qwen3":
        vocabulary = prompting_tokenizer().get_vocab_size()
        return Qwen3Config(
            **shape.changes, vocab_size=vocabulary, max_position_embeddings=PROMPT_WINDOW, pad_token_id=PAD_TOKEN_ID
        )
    if shape.architecture == "xlm-roberta":
        # Padding id and two segments are the starter's tokenizer's, whose 512 tokens then need 513 positions.
        return XLMRobertaConfig(**shape.changes | {"pad_token_id": 0, "type_vocab_size": 2})
    own = json.loads((STARTER / "config.json").read_bytes()) | shape.changes
    return AutoConfig.for_model(**own)
