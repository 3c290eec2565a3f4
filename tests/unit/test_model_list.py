"""The list of models to serve, and the sentences with which a bad one is refused."""

from __future__ import annotations

import pytest

from bentorank.errors import ConfigurationError
from bentorank.model_list import from_any_folder, of_model, read_model_list
from bentorank.settings import Settings, read_settings


def write(tmp_path, text):
    path = tmp_path / "models.toml"
    path.write_text(text)
    return str(path)


def test_a_list_between_commas():
    """A hub's ids have slashes, folders may have an equals sign; `starter` alone is the shipped model."""
    entries = read_model_list(" starter, large=BAAI/bge-reranker-base ,own=/models/a=b")
    assert [(entry.name, entry.source) for entry in entries] == [
        ("starter", "starter"),
        ("large", "BAAI/bge-reranker-base"),
        ("own", "/models/a=b"),
    ]


def test_a_file_says_more_of_each_model(tmp_path):
    """What a table does not say is left to the settings."""
    small, large = read_model_list(
        write(
            tmp_path,
            """
            [[models]]
            name = "small"
            source = "starter"
            aliases = ["rerank-v3.5", "rerank-2"]
            max_pair_tokens = 128

            [[models]]
            name = "large"
            source = "Qwen/Qwen3-Reranker-0.6B"
            revision = "main"
            precision = "f32"
            overflow = "chunk"
            instruction = "Find the law that applies."
            prompt_format = "qwen3-reranker"
            two_labels = false
            """,
        )
    )
    assert small.names == ("small", "rerank-v3.5", "rerank-2")
    assert (small.max_pair_tokens, small.precision, small.overflow, small.two_labels) == (128, None, None, None)
    assert (large.revision, large.precision, large.overflow, large.two_labels) == ("main", "f32", "chunk", False)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (" , ", "BENTORANK_MODELS: there is no model in it"),
        ("a=x, a=y", "BENTORANK_MODELS: a: name: a is taken by a"),
        ("a=x, b", "BENTORANK_MODELS: entry 2 (b): source: is missing"),
        ("a=x, b=", "BENTORANK_MODELS: entry 2 (b): source: is empty"),
        ("a=x, =y", "BENTORANK_MODELS: entry 2: name: must be 1 to 200 characters"),
        ("a b=x", "BENTORANK_MODELS: entry 1: name: must be 1 to 200 characters"),
        (",".join(f"m{number}=x" for number in range(33)), "BENTORANK_MODELS: 33 models, more than 32"),
        ("/hush-folder/models.toml", "BENTORANK_MODELS: the file: No such file"),
    ],
)
def test_a_bad_list_is_refused(value, sentence):
    """With the entry and the field."""
    with pytest.raises(ConfigurationError) as refused:
        read_model_list(value)
    assert refused.value.message.startswith(sentence)
    assert "hush" not in refused.value.message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "BENTORANK_MODELS: there is no model in it"),
        ("[[models]\n", "BENTORANK_MODELS: the file is not TOML (at line 1"),
        ("[[model]]\n", "BENTORANK_MODELS: the file has model, and only tables [[models]] are read"),
        ("models = 3", "BENTORANK_MODELS: the file must have a table [[models]] for each model"),
        ('[[models]]\nname = "a"', "BENTORANK_MODELS: entry 1 (a): source: is missing"),
        ('[[models]]\nsource = "a"', "BENTORANK_MODELS: entry 1: name: is missing"),
        (
            '[[models]]\nname = "a"\nsource = "x"\nwindow = 3',
            "BENTORANK_MODELS: entry 1 (a): window: is no setting of a model; there are name, source",
        ),
        (
            '[[models]]\nname = "a"\nsource = "x"\nprecision = "int4"',
            "BENTORANK_MODELS: entry 1 (a): precision: must be 'auto', 'f32'",
        ),
        (
            '[[models]]\nname = "a"\nsource = "x"\naliases = "b"',
            "BENTORANK_MODELS: entry 1 (a): aliases: must be a list",
        ),
        (
            '[[models]]\nname = "a"\nsource = "x"\nmax_pair_tokens = "512"',
            "BENTORANK_MODELS: entry 1 (a): max_pair_tokens: must be a valid integer",
        ),
        (
            "".join(f'[[models]]\nname = "{name}"\nsource = "x"\naliases = ["c"]\n' for name in "ab"),
            "BENTORANK_MODELS: b: alias: c is taken by a",
        ),
        (
            '[[models]]\nname = "a"\nsource = "x"\naliases = ["a"]',
            "BENTORANK_MODELS: a: name: a is taken by a",
        ),
    ],
)
def test_a_bad_file_is_refused(tmp_path, text, sentence):
    """With the entry and the field, and without the path."""
    with pytest.raises(ConfigurationError) as refused:
        read_model_list(write(tmp_path, text))
    assert refused.value.message.startswith(sentence)
    assert str(tmp_path) not in refused.value.message


@pytest.mark.parametrize("other", ["model", "model_revision", "served_model_name"])
def test_a_list_and_one_model_contradict_each_other(monkeypatch, other):
    """One of them would not be in force."""
    monkeypatch.setenv("BENTORANK_MODELS", "starter")
    monkeypatch.setenv(f"BENTORANK_{other.upper()}", "x")
    with pytest.raises(ConfigurationError, match=f"{other} and models are both set"):
        read_settings()


def test_a_bad_list_stops_the_start_in_one_sentence(monkeypatch):
    """As any other setting does."""
    monkeypatch.setenv("BENTORANK_MODELS", "a=x,a=y")
    with pytest.raises(ConfigurationError) as refused:
        read_settings()
    assert refused.value.message == "BENTORANK_MODELS: a: name: a is taken by a"


def test_without_a_list_there_is_one_model():
    """As it was before there were lists."""
    assert Settings().model_entries == ()


def test_a_list_is_the_same_for_a_process_in_another_folder(tmp_path, monkeypatch):
    """Folders and files by their whole paths; names on a hub as they are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert from_any_folder("a=mine, b = org/model,starter") == f"a={tmp_path}/mine,b=org/model,starter"
    assert from_any_folder("models.toml") == str(tmp_path / "models.toml")


def test_what_is_against_one_model_names_its_own_fields():
    """Whoever describes it to `/admin/models`, or in a list, sets no variable of the environment."""
    said = of_model("large", "set BENTORANK_TWO_LABELS=true, or BENTORANK_PROMPT_FORMAT")
    assert said == "model large: set two_labels=true, or prompt_format"
