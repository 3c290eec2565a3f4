"""The banner of `bentorank serve`: printed when the service answers."""

from __future__ import annotations

import http.client
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from rich.panel import Panel
from rich.text import Text

from bentorank.cli.terminal import terminal
from bentorank.observability.logging.options import FIELDS, LogFormat

if TYPE_CHECKING:
    from bentorank.settings import Settings

POLL_EVERY_S = 0.1
PROBE_TIMEOUT_S = 5.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound

TRY_IT = (
    "curl -s {url}/rerank {key}-H 'Content-Type: application/json' -d "
    '\'{{"query": "how tall is mount everest", "documents": ["K2 lies on the border of Pakistan and China.", '
    '"Mount Everest rises 8,849 m above sea level."]}}\''
)

# The variable that bentorank-client reads too. In double quotes the shell fills it in; no key is ever printed.
SHOW_KEY = '-H "Authorization: Bearer $BENTORANK_API_KEY" '


logger = logging.getLogger(__name__)


class ReadyBanner:
    """Waits for the service and shows where it is; where programs read the log, by a line of it."""

    def __init__(self, settings: Settings) -> None:
        self._host = ANY_ADDRESS.get(settings.host, settings.host)
        self._port = settings.port
        self._needs_key = bool(settings.api_keys or settings.api_keys_file)
        self._pages = [
            (what, path)
            for what, path, served in (
                ("playground", "/playground", settings.playground),
                ("documentation", "/docs", settings.docs),
            )
            if served
        ]
        self._log_format = settings.log_format

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
        if self._log_format is LogFormat.JSON:
            fields = {"event": "answers", "url": url, "after_s": round(seconds, 3)}
            logger.info("answers at %s after %.1f s", url, seconds, extra={FIELDS: fields})
            return
        facts = Text.assemble(
            (url, "bold"),
            "\n",
            *(f"{what} at {url}{path}\n" for what, path in self._pages),
            "model ",
            (str(about["model"]), "bold"),
            f" on {about['device']}, {about['engine']} {about['precision']}, window {about['max_tokens']} tokens\n",
            f"ready after {seconds:.1f} s; stop with Ctrl-C",
        )
        console = terminal()
        console.print(Panel(facts, title=f"bentorank {about['version']}", expand=False))
        # Outside the panel and unwrapped, so that it can be copied.
        console.print("Try it:", style="dim")
        key = SHOW_KEY if self._needs_key else ""
        console.print(TRY_IT.format(url=url, key=key), soft_wrap=True, highlight=False)
