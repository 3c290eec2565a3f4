"""The scores of a causal row, read at each pair's last token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from bentorank.engines.torch.causal_attention import RowPass


def score_row(model: Any, inputs: Mapping[str, Tensor], row_pass: RowPass) -> Tensor:  # noqa: ANN401 - transformers' own
    """Logits of shape (ends,), in the model's precision or in f32.

    `inputs` are `input_ids` and `position_ids`, both of shape (tokens,), and `ends`, the places of last tokens.
    """
    row = {"input_ids": inputs["input_ids"][None], "position_ids": inputs["position_ids"][None]}
    options = {"use_cache": False, "row_pass": row_pass}
    if hasattr(model, "lm_head"):
        return answer_score(model(**row, logits_to_keep=inputs["ends"], **options).logits[0])
    hidden = model.base_model(**row, **options).last_hidden_state[0]  # (tokens, width)
    return _label_score(model.score(hidden[inputs["ends"]]))


def answer_score(answers: Tensor) -> Tensor:
    """From logits of one answer or two, shape (pairs, answers), to those of the pairs."""
    return answers[:, 0] if answers.shape[1] == 1 else answers[:, 0] - answers[:, 1]


def _label_score(labels: Tensor) -> Tensor:
    """Of two labels the second is relevance."""
    return labels[:, 0] if labels.shape[1] == 1 else labels[:, 1] - labels[:, 0]
