"""Imports OpenVINO as far as computing needs it."""

from __future__ import annotations

import sys

from bentorank.engines.openvino.telemetry import forbid_telemetry

# Converts other frameworks' models; `import openvino` does without it where it is not installed.
_CONVERTER = "openvino.tools.ovc"


def import_runtime() -> None:
    """Call before the first import of openvino in a process that serves; idempotent.

    The converter and what it imports would take 10 MiB and a tenth of a second. Who converts imports it by name.
    """
    forbid_telemetry()
    if "openvino" in sys.modules:
        return
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino  # noqa: F401, PLC0415 - only after telemetry is forbidden
    finally:
        del sys.modules[_CONVERTER]
