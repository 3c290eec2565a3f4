"""Shapes of Qwen3 language models: all but the vocabulary, whose rows are looked up and not multiplied."""

from __future__ import annotations

from typing import Final

# Source: Yang et al., "Qwen3 Technical Report", 2025, table 1, and the configuration of Qwen3-0.6B. 440 M parameters in
# the layers.
QWEN3_06B: Final = {
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
}
SMALL: Final = {
    "hidden_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "intermediate_size": 1536,
}
TINY: Final = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
}
