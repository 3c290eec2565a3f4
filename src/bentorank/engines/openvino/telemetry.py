"""Keeps OpenVINO, NNCF and the Hugging Face libraries from reporting home."""

from __future__ import annotations

import os
import sys


def forbid_telemetry() -> None:
    """Call before the first import of openvino, nncf, transformers or huggingface_hub; idempotent.

    `import openvino` sends an event through the package openvino_telemetry unless a file in the home folder
    forbids it. OpenVINO and NNCF use a stub where that package cannot be imported, so its import is made to
    fail.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
