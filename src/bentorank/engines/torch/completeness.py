"""Whether a checkpoint's weights are all that its model has: what is missing, transformers starts at random."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
)
from transformers import __version__ as transformers_version
from transformers.utils import logging as transformers_logging

from bentorank.engines.stored_files import name_some, read_json
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentorank.engines.checkpoint import Checkpoint

logger = logging.getLogger(__name__)


def check_complete(checkpoint: Checkpoint) -> None:
    """Raises ConfigurationError where the weights lack a tensor, or have one of another shape.

    transformers itself says which, from tensors of the stored names and shapes that take no memory. A head that needs
    no pooler has none to miss, and tied weights are stored once.
    """
    found = _loading_info(checkpoint)
    if mismatched := [entry[0] for entry in found["mismatched_keys"]]:
        raise ConfigurationError(
            f"the model {checkpoint.name} has weights of other shapes than its config.json says: "
            f"{name_some(mismatched)}"
        )
    if missing := list(found["missing_keys"]):
        raise ConfigurationError(
            f"the model {checkpoint.name} lacks {len(missing)} of its weights, which would be random: "
            f"{name_some(missing)}"
        )
    if unexpected := [name for name in found["unexpected_keys"] if "position_ids" not in name]:
        logger.warning(
            "the weights hold %d tensors that the model does not use: %s", len(unexpected), name_some(unexpected)
        )


def _loading_info(checkpoint: Checkpoint) -> dict[str, Any]:
    config = _config(checkpoint)
    classes: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
    if checkpoint.answer is not None:
        classes = MODEL_FOR_CAUSAL_LM_MAPPING
    if type(config) not in classes:
        kind = "classifier" if checkpoint.answer is None else "causal language model"
        raise ConfigurationError(
            f"the model {checkpoint.name} is a {config.model_type}, for which transformers has no {kind}"
        )
    model_class: Any = classes[type(config)]
    # A single zero each, however large the tensor claims to be.
    weights = {name: torch.zeros(()).expand(shape) for name, shape in checkpoint.weight_shapes().items()}
    with _quiet_transformers():
        _, found = model_class.from_pretrained(
            None, config=config, state_dict=weights, output_loading_info=True, ignore_mismatched_sizes=True
        )
    return dict(found)


def _config(checkpoint: Checkpoint) -> Any:  # noqa: ANN401 - each family has a class of its own
    family = read_json(checkpoint.folder / "config.json").get("model_type")
    if family not in CONFIG_MAPPING:
        raise ConfigurationError(
            f"the model {checkpoint.name} is of the family {family}, which transformers {transformers_version} does not"
            " know"
        )
    try:
        # A folder that is here already: there is no revision to pin.
        return AutoConfig.from_pretrained(  # nosec B615
            str(checkpoint.folder), local_files_only=True, trust_remote_code=False
        )
    except (StrictDataclassError, AttributeError, KeyError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise ConfigurationError(
            f"the model {checkpoint.name} has a config.json that is not understood: {said}"
        ) from error


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Its report of what is missing would stand beside our sentence."""
    verbosity = transformers_logging.get_verbosity()
    had_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def check_finite(module: torch.nn.Module, name: str) -> None:
    """Raises ConfigurationError where a weight is NaN or infinite."""
    broken = [
        parameter
        for parameter, values in module.named_parameters()
        if not torch.stack(values.aminmax()).isfinite().all()
    ]
    if broken:
        raise ConfigurationError(f"the model {name} has weights that are no finite numbers: {name_some(broken)}")
