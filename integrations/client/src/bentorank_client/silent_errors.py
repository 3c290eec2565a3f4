"""Errors of pydantic models that say what is wrong, and not with what: an input may be a key, or hold one."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Model = TypeVar("Model", bound=BaseModel)


def without_inputs(given: object, read: ModelWrapValidatorHandler[Model]) -> Model:
    """For a wrapping model validator that is declared last, so that it stands around all others.

    `hide_input_in_errors` alone leaves the inputs in `ValidationError.errors()`.
    """
    try:
        return read(given)
    except ValidationError as error:
        silent = _without_inputs(error)
    raise silent  # outside of the handler, so that it has no context that holds the inputs


def _without_inputs(error: ValidationError) -> ValidationError:
    problems = [
        InitErrorDetails(type=PydanticCustomError(problem["type"], problem["msg"]), loc=problem["loc"], input=None)
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return ValidationError.from_exception_data(error.title, problems, hide_input=True)
