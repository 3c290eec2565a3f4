"""Whether a model scores pairs as bentorank gives them to it: found by trying, so that no family has to be listed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from bentorank.engines.self_check import F32_TOLERANCE, SUSPICIOUS_SHARE, SUSPICIOUS_SHIFT
from bentorank.engines.torch.failures import first_line
from bentorank.engines.torch.position_tables import positions_of
from bentorank.engines.warm_up import PROBES
from bentorank.errors import ConfigurationError
from bentorank.types import LengthPolicy, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sentence_transformers import CrossEncoder

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.prompt_encoding import Encoder
    from bentorank.types import EncodedPair

# transformers' own classes are many.
Module: TypeAlias = Any
Scoring: TypeAlias = "Callable[[Sequence[EncodedPair]], torch.Tensor]"


def check_reading(model: CrossEncoder, forward: Scoring, encoder: Encoder, checkpoint: Checkpoint) -> None:
    """Raises ConfigurationError unless `forward`, through the module of `model`, reads what `encoder` gives as `model`
    would.

    Its tokens are those of sentence-transformers, unless the setting has named another prompt, or a text spells a
    prompt's control tokens; it has positions for the whole window, and no score depends on the width that a pair is
    padded to.
    """
    module: Module = model.transformers_model
    _require_mask(module, checkpoint)
    pairs = [*PROBES, _special_tokens_as_text(model)]
    encoded = [chunks[0] for chunks in encoder.encode_chunks(pairs, LengthPolicy(cut_query=True))]
    # A prompt has none of the texts' special tokens, which sentence-transformers reads as its own.
    compared = pairs[:-1] if checkpoint.has_prompts else pairs
    for pair, ours in zip(compared, encoded, strict=False):
        if checkpoint.prompt_format is None:
            _check_tokens(model, module, checkpoint, pair, ours)
    # Short ones, which every table has rows for; at its first short pair BigBird changes to full attention, for good.
    _check_window(forward, checkpoint, sorted(encoded[: len(PROBES)], key=lambda pair: pair.length)[:3])
    _check_padding(module, forward, checkpoint, encoded)


def takes(module: Module, argument: str) -> bool:
    """Whether a transformers module has that argument by name."""
    return argument in inspect.signature(module.forward).parameters


def _require_mask(module: Module, checkpoint: Checkpoint) -> None:
    if not takes(module, "attention_mask"):
        raise ConfigurationError(
            f"the model {checkpoint.name} is a {module.config.model_type}, which takes no attention mask: it reads"
            " padding as text, so a score would depend on the other documents"
        )


def _special_tokens_as_text(model: CrossEncoder) -> Pair:
    """Some heads look for one of them among the tokens, and a passage may contain it."""
    return Pair("tower height", " ".join(["The tower", *model.tokenizer.all_special_tokens, "is high."]))


def _check_tokens(model: CrossEncoder, module: Module, checkpoint: Checkpoint, pair: Pair, ours: EncodedPair) -> None:
    cut = ours.truncated or ours.query_truncated or ours.length > (model.max_seq_length or ours.length)
    if cut:
        return  # sentence-transformers cuts otherwise, or where a wrong window would be; see _check_window
    theirs = model.preprocess([(pair.query, pair.passage)], prompt=checkpoint.prompt or None)
    segments = theirs.get("token_type_ids") if takes(module, "token_type_ids") else None
    same_tokens = theirs["input_ids"][0].tolist() == ours.input_ids.tolist()
    if not same_tokens or _segments(segments) != _segments(ours.token_type_ids):
        raise ConfigurationError(
            f"the model {checkpoint.name} has a tokenizer that joins queries and passages in a way that is not known"
            " here, so its scores would be other ones"
        )


def _segments(ids: Any) -> list[int]:  # noqa: ANN401 - a tensor, an array or None
    """As a list; models take none at all for zeros."""
    numbers = [] if ids is None else ids.reshape(-1).tolist()
    return numbers if any(numbers) else []


def _check_window(forward: Scoring, checkpoint: Checkpoint, encoded: Sequence[EncodedPair]) -> None:
    positions = positions_of(lambda pair: score(forward, checkpoint, [pair]), encoded)
    if positions is not None and positions < checkpoint.max_tokens:
        raise ConfigurationError(
            f"the model {checkpoint.name} has positions for {positions} tokens, and its files promise"
            f" {checkpoint.max_tokens}: set BENTORANK_MAX_PAIR_TOKENS={positions}"
        )


def _check_padding(module: Module, forward: Scoring, checkpoint: Checkpoint, encoded: Sequence[EncodedPair]) -> None:
    alone = torch.cat([score(forward, checkpoint, [pair]) for pair in encoded])
    together = score(forward, checkpoint, encoded)
    shift = float((alone - together).abs().max())
    if shift > tolerance_of(module, together):
        raise ConfigurationError(
            f"the model {checkpoint.name} scores a pair {shift:.2g} higher or lower beside a longer one than alone, as"
            " if padding were text, so a score would depend on the other documents"
        )


def tolerance_of(module: Module, logits: torch.Tensor) -> float:
    """How far two right ways through a module may differ: by the order of additions in f32, more where it rounds."""
    if module.dtype == torch.float32 and module.device.type == "cpu":
        return F32_TOLERANCE * max(1.0, float(logits.abs().max()))
    return max(SUSPICIOUS_SHIFT, SUSPICIOUS_SHARE * float(logits.max() - logits.min()))


def score(forward: Scoring, checkpoint: Checkpoint, batch: Sequence[EncodedPair]) -> torch.Tensor:
    """Logits on the CPU in f32. Raises ConfigurationError where the model fails."""
    try:
        return forward(batch).float().cpu()
    except Exception as error:
        said = first_line(error)
        if isinstance(error, IndexError) and "out of range" in said:
            said = "its tokenizer gives tokens, segments or positions that it has no embeddings for"
        batch_size = "pairs together" if len(batch) > 1 else "a pair"
        raise ConfigurationError(
            f"the model {checkpoint.name} cannot score {batch_size}: {type(error).__name__}: {said}"
        ) from error
