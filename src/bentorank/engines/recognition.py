"""What kind of reranker a folder holds, as its files say: a classifier, one with a chat template, or a language model.

Nothing is guessed: a causal language model that says nothing about reranking is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bentorank.engines.prompts import FAMILIES, TEMPLATE_MARKS, AnswerTokens
from bentorank.engines.stored_files import read_json
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_TRANSFORMER: Final = ".Transformer"
_LOGIT_SCORE: Final = ".LogitScore"
_TWO: Final = 2
_OTHER_KINDS: Final = {
    "ColBERT": "a model that compares vectors of tokens (late interaction)",
    "ForRanking": "one that ranks by code of its own, whole lists or pictures",
    "ForConditionalGeneration": "one that writes text, and may read pictures",
}


def is_causal(config: dict[str, Any]) -> bool:
    """Whether the model predicts tokens rather than labels."""
    return _architecture(config).endswith("ForCausalLM")


def is_classifier(config: dict[str, Any]) -> bool:
    """Whether the model has a head for labels."""
    return _architecture(config).endswith("ForSequenceClassification")


def chat_template(folder: Path) -> str | None:
    """The template that makes a prompt of a pair, if any."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    template = read_json(folder / "tokenizer_config.json").get("chat_template")
    # Several templates by their names: some old ones have that.
    return template if template is None or isinstance(template, str) else str(template)


def answer_tokens(name: str, folder: Path, config: dict[str, Any], prompt_format: str | None) -> AnswerTokens | None:
    """What a causal model's score is read from: by the setting, or modules.json, or its template; None of a classifier.

    Raises ConfigurationError where none of them says.
    """
    if not is_causal(config):
        if prompt_format is not None:
            raise ConfigurationError(
                f"BENTORANK_PROMPT_FORMAT is {prompt_format}, and the model {name} is no causal language model"
            )
        return None
    if prompt_format is not None:
        return _by_setting(name, config, prompt_format)
    if (modules := read_json(folder / "modules.json")) != {}:
        return _by_modules(name, folder, modules)
    template = chat_template(folder) or ""
    for mark, answer in TEMPLATE_MARKS.items():
        if mark in template:
            return answer
    raise ConfigurationError(
        f"the model {name} is a causal language model whose files do not say how it reranks: set"
        f" BENTORANK_PROMPT_FORMAT to the one of {', '.join(FAMILIES)} that it was trained with"
    )


def is_bi_encoder(folder: Path) -> bool:
    """Whether sentence-transformers' own list has more than a model, and is no list of a causal reranker's."""
    modules = read_json(folder / "modules.json")
    return isinstance(modules, list) and len(modules) != 1


def other_kind(config: dict[str, Any]) -> str:
    """What a model that is no cross-encoder is instead, as the end of a sentence; nothing where that is not known."""
    name = _architecture(config)
    return next((f", but {kind}" for mark, kind in _OTHER_KINDS.items() if mark in name), "")


def labels_of(config: dict[str, Any]) -> int:
    """How many labels a classifier's head has."""
    return len(config.get("id2label") or {}) or int(config.get("num_labels", _TWO))


def check_labels(name: str, config: dict[str, Any], *, two_labels: bool) -> None:
    """Raises ConfigurationError unless the head has one label, or the two that the setting promises."""
    labels = labels_of(config)
    if two_labels and labels != _TWO:
        raise ConfigurationError(f"BENTORANK_TWO_LABELS is set, and the model {name} has {labels} labels")
    if labels == _TWO and not two_labels:
        raise ConfigurationError(
            f"the model {name} has 2 labels, and a reranker needs exactly one: if the second is relevance, set"
            " BENTORANK_TWO_LABELS=true"
        )
    if labels not in {1, _TWO}:
        raise ConfigurationError(f"the model {name} has {labels} labels, and a reranker needs exactly one")


def _architecture(config: dict[str, Any]) -> str:
    return str((config.get("architectures") or ["none"])[0])


def _by_setting(name: str, config: dict[str, Any], prompt_format: str) -> AnswerTokens:
    family = FAMILIES[prompt_format]
    if config.get("model_type") not in family.model_types:
        raise ConfigurationError(
            f"BENTORANK_PROMPT_FORMAT is {prompt_format}, which is of {' or '.join(sorted(family.model_types))} models,"
            f" and the model {name} is a {config.get('model_type')}"
        )
    return family.answer


def _by_modules(name: str, folder: Path, modules: Any) -> AnswerTokens:  # noqa: ANN401 - whatever JSON the file holds
    kinds = [str(module.get("type", "")) for module in modules] if isinstance(modules, list) else []
    own = all(kind.startswith("sentence_transformers.") for kind in kinds)
    if not own or len(kinds) != _TWO or not kinds[0].endswith(_TRANSFORMER) or not kinds[1].endswith(_LOGIT_SCORE):
        raise ConfigurationError(
            f"the model {name} has a modules.json of something other than a Transformer with a LogitScore, which is not"
            " served"
        )
    # A folder below is all that sentence-transformers writes.
    head = read_json(folder / str(modules[1].get("path", "")).replace("..", "") / "config.json")
    true, false = head.get("true_token_id"), head.get("false_token_id")
    if (
        modules[0].get("path")
        or not isinstance(true, int)
        or head.get("module_input_name", "causal_logits") != ("causal_logits")
    ):
        raise ConfigurationError(f"the model {name} has a LogitScore whose config.json is not known here")
    return AnswerTokens(true, false)
