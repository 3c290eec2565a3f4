"""What a cross-encoder's files say about it, read as JSON: no torch, no transformers, no remote code.

Refuses what bentorank cannot score faithfully: bi-encoders, language models that are no rerankers, several labels,
pickled weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentorank.engines.openvino.provenance import recorded_hints
from bentorank.engines.options import ModelHints
from bentorank.engines.recognition import (
    answer_tokens,
    chat_template,
    check_labels,
    is_bi_encoder,
    is_causal,
    is_classifier,
    other_kind,
)
from bentorank.engines.stored_files import count_weights, read_json, require_tokenizer, weight_shapes
from bentorank.errors import ConfigurationError
from bentorank.types import ModelActivation

if TYPE_CHECKING:
    from bentorank.engines.prompts import AnswerTokens

# Families whose position ids start after the padding id, so that the table is longer than the window.
POSITIONS_AFTER_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "layoutlmv3",
        "lilt",
        "longformer",
        "luke",
        "markuplm",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)

_ACTIVATIONS = {
    "torch.nn.modules.activation.Sigmoid": ModelActivation.SIGMOID,
    "torch.nn.modules.linear.Identity": ModelActivation.IDENTITY,
    "torch.nn.Sigmoid": ModelActivation.SIGMOID,
    "torch.nn.Identity": ModelActivation.IDENTITY,
}

_NO_WINDOW = 1 << 30

NO_HINTS = ModelHints()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model folder that is known to hold a reranker.

    `prompt` goes before every query; of a model whose prompts have an instruction, it is that of requests without one.
    `max_tokens` is the window, special tokens included. A causal language model's score is read from its `answer`, a
    classifier of `two_labels` has the second's logit less the first's. Prompts are made by the chat template that the
    folder has, or as `prompt_format` names it.
    """

    name: str
    folder: Path
    max_tokens: int
    activation: ModelActivation
    prompt: str
    pad_token_id: int
    has_sliding_window: bool = False
    vocab_size: int | None = None
    answer: AnswerTokens | None = None
    two_labels: bool = False
    has_chat_template: bool = False
    prompt_format: str | None = None

    @property
    def has_prompts(self) -> bool:
        """Whether a pair is read as a language model's prompt."""
        return self.has_chat_template or self.prompt_format is not None

    def check_instruction(self, *, takes_instruction: bool) -> None:
        """Raises ConfigurationError where there is an instruction, and the model's prompts have no place for one."""
        if self.prompt and not takes_instruction:
            raise ConfigurationError(
                f"BENTORANK_INSTRUCTION is set, and the prompts of the model {self.name} have no instruction"
            )

    def require_tokenizer(self) -> None:
        """Raises ConfigurationError unless the folder holds a tokenizer of its own."""
        require_tokenizer(self.name, self.folder)

    def weight_shapes(self) -> dict[str, list[int]]:
        """The shape of every tensor in the weights. Raises ConfigurationError where they are not whole."""
        return weight_shapes(self.name, self.folder)

    def count_weights(self) -> int:
        """Numbers in all tensors together. Raises as `weight_shapes` does."""
        return count_weights(self.name, self.folder)

    def weight_files(self) -> list[Path]:
        """The files that a score depends on, tokenizer aside."""
        return [self.folder / "config.json", *self.folder.glob("*.safetensors")]


def open_checkpoint(
    model: str,
    *,
    revision: str | None = None,
    max_tokens: int | None = None,
    hints: ModelHints = NO_HINTS,
) -> Checkpoint:
    """Find `model`, a folder or a hub id, and read what it is; `max_tokens` caps its window.

    Raises ConfigurationError, in one sentence, for all but rerankers that are known to be scored as they were trained.
    """
    folder = _local_folder(model, revision)
    name = folder.name if Path(model).is_dir() else model
    try:
        return _read(name, folder, max_tokens, hints)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The files are others', and any value in them may be of another kind than it should.
        raise ConfigurationError(
            f"the model {name} has a value of the wrong kind in its JSON files: {error}"
        ) from error


def _read(name: str, folder: Path, max_tokens: int | None, hints: ModelHints) -> Checkpoint:
    config = read_json(folder / "config.json")
    if not config:
        raise ConfigurationError(f"the model {name} has no readable config.json")
    hints = _with_recorded(hints, folder)
    answer = answer_tokens(name, folder, config, hints.prompt_format)
    _refuse_unsupported(name, folder, config, two_labels=hints.two_labels)
    has_template = hints.prompt_format is None and chat_template(folder) is not None
    if hints.instruction and not has_template and hints.prompt_format is None:
        raise ConfigurationError(f"BENTORANK_INSTRUCTION is set, and the model {name} takes no instruction")
    return Checkpoint(
        name=name,
        folder=folder,
        max_tokens=_window(name, folder, config, max_tokens),
        activation=_activation(name, folder, config),
        prompt=hints.instruction or _prompt(folder),
        pad_token_id=_pad_token_id(folder, config),
        has_sliding_window=bool(config.get("local_attention") or config.get("sliding_window")),
        vocab_size=config.get("vocab_size"),
        answer=answer,
        two_labels=hints.two_labels,
        has_chat_template=has_template,
        prompt_format=hints.prompt_format,
    )


def _with_recorded(hints: ModelHints, folder: Path) -> ModelHints:
    """Of an exported folder what it was exported as, where the hints say nothing."""
    recorded = recorded_hints(folder)
    return replace(
        hints,
        prompt_format=hints.prompt_format or recorded.prompt_format,
        two_labels=hints.two_labels or recorded.two_labels,
    )


def _local_folder(model: str, revision: str | None) -> Path:
    if Path(model).is_dir():
        return Path(model).resolve()
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ConfigurationError("the model setting names a folder that does not exist")
    return _download(model, revision)


def _download(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - a local folder needs no hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        folder = snapshot_download(
            model,
            revision=revision,
            allow_patterns=[
                "*.json",
                "*.safetensors",
                "*.txt",
                "*.model",
                "*.jinja",
                "openvino/int8.*",
                "openvino/f32.*",
            ],
            ignore_patterns=["onnx/*"],
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise ConfigurationError(f"the model {model} is neither a folder nor found on the hub") from error
    return Path(folder)


def _refuse_unsupported(name: str, folder: Path, config: dict[str, Any], *, two_labels: bool) -> None:
    if not is_causal(config):
        if is_bi_encoder(folder) or not is_classifier(config):
            raise ConfigurationError(
                f"the model {name} has no sequence-classification head and is no causal language model: it is no"
                f" cross-encoder{other_kind(config)}"
            )
        check_labels(name, config, two_labels=two_labels)
    elif two_labels:
        raise ConfigurationError(f"BENTORANK_TWO_LABELS is set, and the model {name} is a causal language model")
    if "auto_map" in config:
        raise ConfigurationError(f"the model {name} needs code from its repository, which is never run")
    if (folder / "adapter_config.json").exists():
        raise ConfigurationError(f"the model {name} is an adapter (PEFT): merge it into its base model first")
    if not list(folder.glob("*.safetensors")):
        raise ConfigurationError(f"the model {name} has no safetensors weights; pickled ones are not loaded")
    weight_shapes(name, folder)


def _window(name: str, folder: Path, config: dict[str, Any], cap: int | None) -> int:
    """The smallest of: tokenizer's limit, position table, sentence-transformers' own setting, and the cap."""
    tokenizer = read_json(folder / "tokenizer_config.json")
    saved = read_json(folder / "sentence_bert_config.json")
    processor = saved.get("processor_kwargs") or saved.get("tokenizer_args") or {}
    limits = [
        tokenizer.get("model_max_length") or tokenizer.get("max_len"),
        _positions(config),
        saved.get("max_seq_length"),
        processor.get("model_max_length"),
        cap,
    ]
    window = min((int(limit) for limit in limits if limit and limit > 0), default=_NO_WINDOW)
    if window >= _NO_WINDOW:
        raise ConfigurationError(f"the model {name} states no window: set the maximum number of tokens")
    return window


def _positions(config: dict[str, Any]) -> int | None:
    positions = config.get("max_position_embeddings")
    if positions and config.get("model_type") in POSITIONS_AFTER_PADDING:
        return int(positions) - int(config.get("pad_token_id", 1)) - 1
    return positions


def _activation(name: str, folder: Path, config: dict[str, Any]) -> ModelActivation:
    """As sentence-transformers looks it up; one that needs the model's own code becomes the sigmoid."""
    saved = _saved_by_sentence_transformers(folder)
    path = (
        saved.get("activation_fn")
        or (config.get("sentence_transformers") or {}).get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
    )
    if path is None or not path.startswith("torch."):
        return ModelActivation.SIGMOID
    if path not in _ACTIVATIONS:
        raise ConfigurationError(f"the model {name} ends in {path}, and only sigmoid and identity are known")
    return _ACTIVATIONS[path]


def _prompt(folder: Path) -> str:
    saved = _saved_by_sentence_transformers(folder)
    return (saved.get("prompts") or {}).get(saved.get("default_prompt_name")) or ""


def _saved_by_sentence_transformers(folder: Path) -> dict[str, Any]:
    """Its own settings, which it reads only beside a modules.json."""
    path = folder / "config_sentence_transformers.json"
    return dict(read_json(path)) if (folder / "modules.json").exists() else {}


def _pad_token_id(folder: Path, config: dict[str, Any]) -> int:
    """The model's padding id: what its position ids are counted from, where they are counted."""
    configured = config.get("pad_token_id")
    if configured is not None:
        return int(configured)
    padding = read_json(folder / "tokenizer.json").get("padding") or {}
    return int(padding.get("pad_id", 0))
