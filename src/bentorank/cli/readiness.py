"""The banner of `bentorank serve`: printed when the service answers."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from rich.console import Console
from rich.panel import Panel

POLL_EVERY_S = 0.1
PROBE_TIMEOUT_S = 5.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound

TRY_IT = (
    "curl -s {url}/rerank -H 'Content-Type: application/json' -d "
    '\'{{"query": "how tall is mount everest", "documents": ["K2 lies on the border of Pakistan and China.", '
    '"Mount Everest rises 8,849 m above sea level."]}}\''
)


class ReadyBanner:
    """Waits for the service and shows where it is."""

    def __init__(self, host: str, port: int) -> None:
        self._host = ANY_ADDRESS.get(host, host)
        self._port = port

    def watch(self) -> None:
        """Poll until ready, then print the banner. Runs on a thread of its own."""
        started = time.monotonic()
        while (about := self._ask()) is None:
            time.sleep(POLL_EVERY_S)
        self._print(about, time.monotonic() - started)

    def _ask(self) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PROBE_TIMEOUT_S)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            body = response.read()
            return json.loads(body) if response.status == http.client.OK else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def _print(self, about: dict[str, Any], seconds: float) -> None:
        shown = f"[{self._host}]" if ":" in self._host else self._host
        url = f"http://{shown}:{self._port}"
        console = Console()
        console.print(
            Panel(
                f"[bold]{url}[/]   documentation at {url}/docs\n"
                f"model [bold]{about['model']}[/] on {about['device']}, {about['engine']} {about['precision']},"
                f" window {about['max_tokens']} tokens\n"
                f"ready after {seconds:.1f} s; stop with Ctrl-C",
                title=f"bentorank {about['version']}",
                expand=False,
            )
        )
        # Outside the panel and unwrapped, so that it can be copied.
        console.print("Try it:", style="dim")
        console.print(TRY_IT.format(url=url), soft_wrap=True, highlight=False, markup=False)
