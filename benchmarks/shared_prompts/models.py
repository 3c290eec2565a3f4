"""Qwen3 language models of given sizes with random weights, and prompts for them: speed does not depend on either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import AddedToken, Tokenizer
from transformers import AutoModelForCausalLM, Qwen3Config

from bentorank.engines.prompt_encoding import PromptEncoder
from bentorank.engines.prompts import FAMILIES
from bentorank.engines.torch.causal import keep_answers

SEED: Final = 11
WINDOW: Final = 2048
PAD_TOKEN_ID: Final = 0

FAMILY: Final = FAMILIES["qwen3-reranker"]
_TOKENIZER: Final = Path(__file__).parents[2] / "models" / "starter" / "tokenizer.json"
_CONTROL_TOKENS: Final = ("<|im_start|>", "<|im_end|>", "<think>", "</think>")


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """One that has kept its answers, and what reads its prompts."""

    module: Any
    encoder: PromptEncoder

    @property
    def layer_parameters(self) -> int:
        """Without the table of embeddings, which differs from the original's."""
        table = self.module.get_input_embeddings().weight.numel()
        return sum(weights.numel() for weights in self.module.base_model.parameters()) - table


def prompting_tokenizer() -> Tokenizer:
    """The starter's, which knows the family's control tokens as well."""
    tokenizer = Tokenizer.from_file(str(_TOKENIZER))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _CONTROL_TOKENS])
    return tokenizer


def random_language_model(shape: dict[str, int], dtype: torch.dtype) -> LanguageModel:
    """On the CPU."""
    tokenizer = prompting_tokenizer()
    torch.manual_seed(SEED)
    config = Qwen3Config(**shape, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=WINDOW)
    module = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    keep_answers(module, FAMILY.answer.ids(tokenizer, "random"))
    return LanguageModel(module, PromptEncoder(tokenizer.to_str(), FAMILY.prompt, max_tokens=WINDOW))
