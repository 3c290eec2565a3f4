"""A checkpoint's window, prompt and activation are read as sentence-transformers reads them; others are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bentorank.engines.checkpoint import open_checkpoint
from bentorank.errors import ConfigurationError
from bentorank.types import ModelActivation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tiny_model: Any, tmp_path: Path) -> Path:
    """A copy of the BERT model, to be altered."""
    for file in tiny_model("bert").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def _edit(file: Path, **changes: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | changes))


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_window_equals_that_of_sentence_transformers(tiny_model: Any, tiny_models: Any, family: str) -> None:
    """Tokenizer and position table agree here, so the window is theirs."""
    folder = tiny_model(family)
    assert open_checkpoint(str(folder)).max_tokens == tiny_models.reference(folder).max_seq_length


def test_positions_after_the_padding_id_are_no_part_of_the_window(tiny_model: Any, tiny_models: Any) -> None:
    """XLM-R's table has two rows more than it reads tokens."""
    assert open_checkpoint(str(tiny_model("xlm-roberta"))).max_tokens == tiny_models.WINDOW


def test_the_smallest_limit_is_the_window(folder: Path, tiny_models: Any) -> None:
    """Settings of tokenizer, sentence-transformers and the caller each shorten the window; none lengthens it."""
    _edit(folder / "tokenizer_config.json", model_max_length=80)
    assert open_checkpoint(str(folder)).max_tokens == 80 == tiny_models.reference(folder).max_seq_length
    assert open_checkpoint(str(folder), max_tokens=40).max_tokens == 40
    assert open_checkpoint(str(folder), max_tokens=4000).max_tokens == 80
    _edit(folder / "sentence_bert_config.json", max_seq_length=60)
    assert open_checkpoint(str(folder)).max_tokens == 60


def test_saved_prompt_and_activation_are_respected(folder: Path, tiny_models: Any) -> None:
    """What sentence-transformers saves with a cross-encoder comes back."""
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    model = tiny_models.reference(folder)
    saved = CrossEncoder(
        modules=list(model), prompts={"search": "query: "}, default_prompt_name="search", activation_fn=Identity()
    )
    saved.save_pretrained(str(folder / "saved"), create_model_card=False)
    checkpoint = open_checkpoint(str(folder / "saved"))
    assert checkpoint.prompt == "query: "
    assert checkpoint.activation is ModelActivation.IDENTITY


@pytest.mark.parametrize(
    ("changes", "activation"),
    [
        ({}, ModelActivation.SIGMOID),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, ModelActivation.IDENTITY),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, ModelActivation.IDENTITY),
        ({"sentence_transformers": {"activation_fn": "my_code.Activation"}}, ModelActivation.SIGMOID),
    ],
)
def test_activation_is_found_where_any_version_saved_it(
    folder: Path, changes: dict[str, Any], activation: ModelActivation
) -> None:
    """Today's place, the place before version 4, and none; code of the repository is never run."""
    _edit(folder / "config.json", **changes)
    assert open_checkpoint(str(folder)).activation is activation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["Qwen3ForCausalLM"]}, "causal language model whose files do not say how it reranks"),
        ({"architectures": ["BertModel"]}, "no sequence-classification head"),
        ({"id2label": {"0": "no", "1": "yes"}}, "has 2 labels"),
        ({"auto_map": {"AutoModel": "modeling.Custom"}}, "never run"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}, "Tanh"),
    ],
)
def test_what_cannot_be_scored_faithfully_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    """One sentence says what the model is."""
    _edit(folder / "config.json", **changes)
    with pytest.raises(ConfigurationError, match=message):
        open_checkpoint(str(folder))


def test_a_chat_template_makes_prompts(folder: Path) -> None:
    """sentence-transformers scores such a model through its template, whatever its kind."""
    assert not open_checkpoint(str(folder)).has_prompts
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert open_checkpoint(str(folder)).has_prompts


def test_pickled_weights_are_refused(folder: Path) -> None:
    """Only safetensors are loaded."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigurationError, match="safetensors"):
        open_checkpoint(str(folder))


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    """A wrong path is told apart from a hub id, and reported without the path."""
    with pytest.raises(ConfigurationError, match="does not exist") as refused:
        open_checkpoint(str(tmp_path / "nowhere"))
    assert str(tmp_path) not in refused.value.message
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        open_checkpoint(str(tmp_path))
