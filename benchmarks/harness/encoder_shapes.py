"""Cross-encoders of given shapes with random weights: what they compute costs the same as with trained ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import AutoModelForSequenceClassification, XLMRobertaConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

# XLM-RoBERTa large, 560 M parameters.
# Source: Conneau et al., "Unsupervised Cross-lingual Representation Learning at Scale", 2020, section 4.
XLM_R_LARGE = {
    "vocab_size": 250_002,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "num_labels": 1,
}
TINY = XLM_R_LARGE | {
    "vocab_size": 1000,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
}


def random_cross_encoder(shape: dict[str, Any], device: torch.device, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """A transformers sequence-classification module of that shape on `device`."""
    with device:
        model = AutoModelForSequenceClassification.from_config(XLMRobertaConfig(**shape), dtype=dtype)
    return model.eval()


def encoder_flops(shape: dict[str, Any], lengths: Sequence[int], *, first_token_only: bool = False) -> float:
    """Floating-point operations of one forward pass over sequences of these lengths, padding excluded.

    `product_flops` and those of attention itself: 4 s d for a token in a sequence of s tokens, in each layer of width
    d. With `first_token_only` one token attends in the last layer.
    """
    width, layers = shape["hidden_size"], shape["num_hidden_layers"]
    attended = layers * sum(tokens**2 for tokens in lengths)
    if first_token_only:
        attended -= sum(tokens * (tokens - 1) for tokens in lengths)
    return product_flops(shape, lengths, first_token_only=first_token_only) + 4.0 * width * attended


def product_flops(shape: dict[str, Any], lengths: Sequence[int], *, first_token_only: bool = False) -> float:
    """Floating-point operations in products with the weights, a multiplication and an addition counting two.

    For each token, with L layers of width d and feed-forward width f: L × (8 d² + 4 d f), for the four projections of
    attention and the feed-forward layer. Embeddings, biases, normalisation and the head are left out, as they are
    small. With `first_token_only` the last layer makes keys and values of all tokens, 4 d² each, the rest of one.
    Source: Kaplan et al., "Scaling Laws for Neural Language Models", 2020, table 1; attention here sees both sides.
    """
    width, layers = shape["hidden_size"], shape["num_hidden_layers"]
    feed_forward = 4 * width * shape["intermediate_size"]
    flops = layers * sum(lengths) * (8 * width**2 + feed_forward)
    if first_token_only:
        flops -= (sum(lengths) - len(lengths)) * (4 * width**2 + feed_forward)
    return float(flops)
