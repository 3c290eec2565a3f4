"""The proxies of the documentation in front of two servers, where they are installed."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.harness.proxies import SEARCHED, run_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def running_proxy(kind: str, instances: tuple[int, int]) -> Iterator[str]:
    """The URL of a proxy in front of two ports; skips the test where the proxy is not installed."""
    if not (shutil.which(kind) or shutil.which(kind, path=SEARCHED)):
        pytest.skip(f"{kind} is not installed")
    with run_proxy(kind, instances) as port:
        yield f"http://127.0.0.1:{port}"
