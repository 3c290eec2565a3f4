"""The starter model of bentorank, carried as files."""

from pathlib import Path

__all__ = ["path"]


def path() -> Path:
    """The folder with config.json, the tokenizer, model.safetensors and openvino/int8.xml."""
    here = Path(__file__).resolve().parent
    # Named as the checkout's: what serves a folder calls the model by the folder's name.
    packaged = here / "starter"
    # A built wheel carries the files beside this module; an editable install leaves them in the checkout.
    return packaged if packaged.is_dir() else here.parents[1]
