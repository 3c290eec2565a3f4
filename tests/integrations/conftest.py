"""The clients' own tests run by run-clients alone; every other run has test_recorded.py, which needs no client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

RECORDED = "test_recorded.py"

if os.environ.get("CLIENTS_ENVIRONMENT"):
    collect_ignore = [RECORDED]
    pytest.register_assert_rewrite("published")
    pytest_plugins = ["client_session"]
else:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != RECORDED]
