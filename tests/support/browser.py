"""Debian's Chromium, driven by Playwright, and what a page did that it must not."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
# It runs as root in containers, where its own sandbox cannot be; and it asks nobody for updates.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A headless browser; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: Debian's package chromium brings it")
    playwright = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Conduct:
    """What a page has asked for, and what it complained of."""

    origin: str
    urls: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """From now on."""
        page.on("request", lambda request: self.urls.append(request.url))
        page.on("request", lambda request: self.sent.append(request.post_data_json) if request.post_data else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._hear(message))  # noqa: PLW0108 - Playwright sets an attribute of a method

    @property
    def elsewhere(self) -> list[str]:
        """Addresses of other hosts than the service."""
        return [url for url in self.urls if not url.startswith(f"{self.origin}/")]

    def _hear(self, message: Any) -> None:
        # An answer with an error status is told here too: a test that causes one expects it.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)
