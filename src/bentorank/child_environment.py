"""The environment of a Python process of our own that is to import what this one does."""

from __future__ import annotations

import os
import sys


def child_environment(**variables: str) -> dict[str, str]:
    """This process's, with `variables` and the folders that it imports from."""
    return os.environ | variables | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
