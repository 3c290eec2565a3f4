"""Callers of our own client: each asks again as soon as it is answered and has paused, until stopped."""

from __future__ import annotations

import threading
import time
from math import inf
from typing import TYPE_CHECKING, Self

import numpy as np
from bentorank_client import Reranker, RerankError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Callers:
    """`calls` are (when it began, seconds) of each that ended, `failures` what the failed ones raised."""

    def __init__(self, url: str | Sequence[str], count: int, *, pause_s: float = 0.1, timeout_s: float = 20) -> None:
        self._url = url
        self._pause_s = pause_s
        self._timeout_s = timeout_s
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,), daemon=True) for number in range(count)]
        self.calls: list[tuple[float, float]] = []
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more, and wait for what is in flight."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(self._timeout_s + 10)

    def p99_s(self, since: float = -inf, until: float = inf) -> float:
        """Of the calls that began in that time."""
        return float(np.percentile([seconds for began, seconds in self.calls if since <= began < until], 99))

    def _call(self, caller: int) -> None:
        with Reranker(base_url=self._url, timeout_s=self._timeout_s) as reranker:
            number = 0
            while not self._stopped.wait(self._pause_s):
                number, began = number + 1, time.monotonic()
                try:
                    reranker.rerank(f"query{caller}", [f"word{caller} x{number}", "beta"])
                except RerankError as error:
                    self.failures.append(f"{type(error).__name__}: {error}")
                self.calls.append((began, time.monotonic() - began))
