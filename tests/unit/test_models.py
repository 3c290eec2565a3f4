"""Models by their names."""

from __future__ import annotations

import pytest

from bentorank.errors import ModelNotFoundError, UnavailableError
from bentorank.models import ServedModel, ServedModels


def served(name, *aliases):
    """One that nothing is asked of."""
    return ServedModel(name, None, aliases)


def test_a_name_or_an_alias_finds_a_model_and_any_other_the_first():
    """None and an empty name too."""
    first, second = served("first", "one"), served("second", "two")
    models = ServedModels(first, second)
    assert [models.choose(name) for name in ("first", "one", "second", "two")] == [first, first, second, second]
    assert [models.choose(name) for name in (None, "", "third")] == [first] * 3
    assert models.find("third") is None


def test_strict_names_are_those_that_there_are():
    """The refusal lists them; who names none gets the first."""
    models = ServedModels(served("first", "one"), served("second"), strict=True)
    assert models.choose(None).name == models.choose("one").name == "first"
    with pytest.raises(ModelNotFoundError, match="there are first, second"):
        models.choose("third")


def test_a_model_that_left_is_refused_under_all_of_its_names_until_it_comes_back():
    """Whoever named it would not expect another's scores; a name that never was one gets the default's."""
    first, second = served("first"), served("second", "two")
    models = ServedModels(first, second)
    assert models.remove("second") is second
    assert models.names == ["first"]
    for name in ("second", "two"):
        with pytest.raises(ModelNotFoundError):
            models.choose(name)
    assert models.choose("third") is first
    models.add(second)
    assert models.choose("two") is second


def test_before_any_is_loaded_there_is_none_to_choose():
    """Whatever its name is."""
    with pytest.raises(UnavailableError):
        ServedModels(strict=True).choose("first")


def test_first_stages_come_and_go_with_the_models():
    """By their names and aliases, as they are served at the time."""
    first, second = served("first", "one"), served("second")
    models = ServedModels(first)
    stages = models.first_stages
    assert stages == {"first": first, "one": first}
    models.add(second)
    assert stages["second"] is second
    models.remove("first")
    assert stages == {"second": second}
