"""BERT over packed rows: tokens' states, logits of pairs, embeddings."""

from dataclasses import dataclass

import torch
from distilling.kernels import Kernels, after_attention
from distilling.rows import Pairs, Row
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]
REST = tuple(
    f"{part}.{kind}"
    for part in (
        "attention.output.dense",
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        "output.LayerNorm",
    )
    for kind in ("weight", "bias")
)


@dataclass(slots=True)
class Cast:
    """Weights of a BERT in the type that is multiplied, queries, keys and values side by side."""

    words: Tensor
    places: Tensor
    types: Tensor
    norm: tuple[Tensor, Tensor]
    layers: list[tuple[Tensor, Tensor, tuple[Tensor, ...]]]
    head: tuple[Tensor, ...] | None


def cast(weights: Weights, dtype: torch.dtype) -> Cast:
    w = {name: value if name.startswith("classifier") else value.to(dtype) for name, value in weights.items()}
    layers = []
    for number in range(1 + max(int(name.split(".")[2]) for name in w if name.startswith("encoder.layer"))):
        key = f"encoder.layer.{number}."
        three = [f"{key}attention.self.{part}." for part in ("query", "key", "value")]
        layers.append(
            (
                torch.cat([w[part + "weight"] for part in three]),
                torch.cat([w[part + "bias"] for part in three]),
                tuple(w[key + part] for part in REST),
            )
        )
    head = (
        tuple(w[name] for name in ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"))
        if "classifier.weight" in w
        else None
    )
    vectors = (w[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type"))
    return Cast(*vectors, (w["embeddings.LayerNorm.weight"], w["embeddings.LayerNorm.bias"]), layers, head)


def encode(kernels: Kernels, weights: Cast, row: Row, *, first_only: bool = False) -> Tensor:
    """Tokens' states; or, with the last layer computed for those alone, each sequence's first."""
    # Of two rows for all tokens: as a lookup its gradient would be summed one token after the other.
    kinds = weights.types[0] + row.types[:, None].to(weights.types.dtype) * (weights.types[1] - weights.types[0])
    x = weights.words[row.ids] + weights.places[row.place] + kinds
    x = functional.layer_norm(x, (384,), *weights.norm, 1e-12)
    for number, (three, bias, rest) in enumerate(weights.layers):
        if first_only and number == len(weights.layers) - 1:
            read = x[row.bounds[:-1].long()]
            query = functional.linear(read, three[:384], bias[:384]).unflatten(-1, (12, 32))
            key, value = functional.linear(x, three[384:], bias[384:]).unflatten(-1, (2, 12, 32)).unbind(1)
            return after_attention(kernels.attend(query, key, value, row, first_only=True).flatten(1), read, rest)
        query, key, value = functional.linear(x, three, bias).unflatten(-1, (3, 12, 32)).unbind(1)
        x = kernels.rest(kernels.attend(query, key, value, row, first_only=False).flatten(1), x, rest)
    return x


def logits_of(kernels: Kernels, weights: Cast, row: Row) -> Tensor:
    """Of the pairs asked for, not of what fills the row."""
    hidden = encode(kernels, weights, row, first_only=True)[: row.end - row.begin]
    dense, bias, last, last_bias = weights.head
    pooled = torch.tanh(functional.linear(hidden, dense, bias))
    return functional.linear(pooled.float(), last.float(), last_bias.float())[:, 0]


@torch.no_grad()
def read_logits(  # noqa: PLR0913 - what is read, and by what
    kernels: Kernels, weights: Cast, pairs: Pairs, queries: Tensor, units: Tensor, *, limit: int
) -> Tensor:
    return torch.cat([logits_of(kernels, weights, row) for row in pairs.rows(queries, units, limit)])


@torch.no_grad()
def embed(kernels: Kernels, weights: Cast, pairs: Pairs, limit: int = 512) -> Tensor:
    """Mean-pooled, normalised embeddings of all passages after the first prefix."""
    units = torch.arange(len(pairs.passages.body_start), device=kernels.device)
    out = []
    for row in pairs.rows(torch.zeros_like(units), units, limit):
        count = len(row.bounds) - 1
        row.types = torch.zeros_like(row.types)
        hidden = encode(kernels, weights, row).float()
        total = torch.zeros(count, 384, device=kernels.device).index_add_(0, row.sequence, hidden)
        out.append(functional.normalize(total[: row.end - row.begin], dim=1).to(kernels.read_dtype))
    return torch.cat(out)
