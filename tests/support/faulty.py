"""Requests to a server that may be gone at any moment."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from support.server import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Server


def rerank(url: str, documents: list[str], *, deadline_s: float = 30, timeout_s: float = 60) -> int | str:
    """The status of POST /rerank, or the name of the error that came in its place."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
    headers = {"content-type": "application/json", "x-request-timeout": str(deadline_s)}
    try:
        connection.request("POST", "/rerank", json.dumps({"query": "a", "documents": documents}), headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    else:
        return response.status
    finally:
        connection.close()


class Load:
    """Clients that ask again as soon as they are answered, until stopped."""

    def __init__(self, url: str, *, clients: int) -> None:
        self._url = url
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    @property
    def active(self) -> int:
        """Clients that wait for an answer."""
        return sum(thread.is_alive() for thread in self._threads)

    def _ask(self) -> None:
        while not self._stopped.is_set():
            rerank(self._url, ["w " * 10])
            time.sleep(0.01)


def wait_for_another_worker(server: Server, old: set[int], *, within_s: float) -> None:
    """Return once a worker has started that is none of `old`."""
    wait_until(lambda: set(server.worker_pids) - old, within_s=within_s)


def files_of_metrics(home: Path) -> int:
    """How many files Prometheus' client keeps for that server."""
    return len(list(home.rglob("*.db")))
