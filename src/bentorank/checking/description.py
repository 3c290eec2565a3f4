"""What a model's files say of it, before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.engines.recognition import is_causal, labels_of
from bentorank.engines.stored_files import read_json

if TYPE_CHECKING:
    from bentorank.engines.checkpoint import Checkpoint

_WHERE_UNNAMED = "unknown"


@dataclass(frozen=True, slots=True)
class Description:
    """`family` is what transformers calls it, `head` says what a score is read from, `template` how a pair is put.

    `weights` counts parameters, `weights_bytes` is their size on disk.
    """

    model: str
    family: str
    architecture: str
    weights: int
    weights_bytes: int
    window_tokens: int
    head: str
    activation: str
    template: str


def describe(checkpoint: Checkpoint) -> Description:
    """Read the files. Raises ConfigurationError where they are not whole."""
    config = read_json(checkpoint.folder / "config.json")
    return Description(
        model=checkpoint.name,
        family=str(config.get("model_type", _WHERE_UNNAMED)),
        architecture=str((config.get("architectures") or [_WHERE_UNNAMED])[0]),
        weights=checkpoint.count_weights(),
        weights_bytes=sum(file.stat().st_size for file in checkpoint.folder.glob("*.safetensors")),
        window_tokens=checkpoint.max_tokens,
        head=_head(checkpoint, labels_of(config)) if not is_causal(config) else _answer(checkpoint),
        activation=checkpoint.activation.value,
        template=_template(checkpoint),
    )


def _head(checkpoint: Checkpoint, labels: int) -> str:
    if checkpoint.two_labels:
        return "two labels: the second's logit less the first's"
    return "one label" if labels == 1 else f"{labels} labels"


def _answer(checkpoint: Checkpoint) -> str:
    answer = checkpoint.answer
    assert answer is not None, "bug: a causal model without an answer was refused before"
    true, false = (_token(token) for token in (answer.true, answer.false))
    return f"next token: the logit of {true}" + ("" if answer.false is None else f" less that of {false}")


def _token(token: int | str | None) -> str:
    return f"token {token}" if isinstance(token, int) else f"“{token}”"


def _template(checkpoint: Checkpoint) -> str:
    if checkpoint.prompt_format is not None:
        return f"the prompt of {checkpoint.prompt_format}, as it was named"
    if checkpoint.has_chat_template:
        return "the folder's chat template"
    return "none: the texts as a pair" + (", after a prompt of the folder's" if checkpoint.prompt else "")
