"""Language models whose prompts share beginnings, small: by name the family and what its configuration has otherwise.

Windows end within a prompt's beginning, within a document, and some layers have them and others not. Weights of Gemma's
norms are counted from 1.
"""

from __future__ import annotations

from typing import Any

CAUSAL_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3": ("qwen3", {}),
    "gemma3": ("gemma3_text", {"sliding_window": 24, "num_hidden_layers": 4, "sliding_window_pattern": 2}),
    "llama": ("llama", {}),
    "gemma": ("gemma", {}),
    "qwen2": ("qwen2", {}),
    "mistral": ("mistral", {"sliding_window": 100}),
    "gemma2-uncapped": ("gemma2", {"attn_logit_softcapping": None, "sliding_window": 24}),
}
UNLIKE_FAMILIES = ("qwen3", "gemma3")
"""What is tried on few models is tried on these."""
