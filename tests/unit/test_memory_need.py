"""Whether models fit into memory is told from their files, before any is loaded."""

import pytest
from support.tiny_folders import make_vast, tiny_models

from bentorank.errors import ConfigurationError
from bentorank.memory_need import check_memory, check_room
from bentorank.model_list import ModelEntry
from bentorank.settings import Settings


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """A model of a few kilobytes, and one of half a tebibyte."""
    folder = tmp_path_factory.mktemp("models")
    tiny_models().build_bert(folder / "tiny")
    make_vast(folder / "tiny", folder / "vast")
    return [ModelEntry(name=name, source=str(folder / name)) for name in ("tiny", "vast")]


@pytest.fixture
def settings():
    return Settings(device="cpu", streams=1)


def test_models_that_fit_together_are_taken(entries, settings):
    """And one more beside what the process holds."""
    check_memory(settings, entries[:1])
    check_room(settings, entries[0], models=2)


def test_models_that_cannot_fit_are_refused_by_their_shares(entries, settings):
    """In a sentence that tells each one's, with the least that its precision takes."""
    with pytest.raises(ConfigurationError, match=r"take \d+\.\d GiB at least \(tiny 0\.0, vast (128|256|512)\.\d\)"):
        check_memory(settings, entries)


def test_one_more_that_has_no_room_is_refused(entries, settings):
    """While it is loaded, its files are in memory beside what is made of them."""
    with pytest.raises(ConfigurationError, match=r"model vast: it takes (640|768|1024)\.\d GiB at least while"):
        check_room(settings, entries[1], models=2)


def test_a_model_without_weights_is_named(entries, settings, tmp_path):
    """Before the others are loaded."""
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForSequenceClassification"]}')
    with pytest.raises(ConfigurationError, match="model bare: "):
        check_memory(settings, [entries[0], ModelEntry(name="bare", source=str(tmp_path))])
