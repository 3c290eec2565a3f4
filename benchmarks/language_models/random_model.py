"""A language model in the shape of Qwen3-Reranker-0.6B with random weights, which cost what trained ones do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen3Config

from bentorank.engines.prompts import FAMILIES

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.harness.texts import Texts

SEED: Final = 17
PROMPT_FORMAT: Final = "qwen3-reranker"
# Rows of the table that no text needs cost no time; the model's own has 151,669.
VOCABULARY: Final = 16_000
WINDOW: Final = 8192

# What the original has beside its shape.
_AS_QWEN3_06B: Final[dict[str, Any]] = {"tie_word_embeddings": True, "rope_theta": 1_000_000}

_SPECIAL: Final = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
# As models of this kind split text before byte pairs: words with what stands before them, digits, marks, spaces.
_WORDS: Final = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def write_random_model(folder: Path, shape: dict[str, int], texts: Texts) -> int:
    """A folder that is served with BENTORANK_PROMPT_FORMAT=qwen3-reranker, its tokenizer trained on `texts`; how many
    parameters its layers have.
    """
    tokenizer = _tokenizer(texts)
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen3Config(**shape, **_AS_QWEN3_06B, **ids, vocab_size=len(tokenizer), max_position_embeddings=WINDOW)
    torch.manual_seed(SEED)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(weights.numel() for weights in model.model.layers.parameters())


def _tokenizer(texts: Texts) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    # So often that its words are single tokens, as they are in the model's own vocabulary.
    prompt = FAMILIES[PROMPT_FORMAT].prompt
    around = [prompt.head(None, ""), prompt.lead, *prompt.ending, "yes", "no"] * 50
    tokenizer.train_from_iterator([*texts.queries, *texts.passages, *around], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=WINDOW,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
    )
