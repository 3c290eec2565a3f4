"""The playground in a browser, on services that other tests use as well."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.browser import Conduct, running_chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page
    from support.server import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder is marked."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """A function that opens the playground of a server; afterwards nothing may have been asked elsewhere or stopped."""
    with ExitStack() as contexts:
        conducts: list[Conduct] = []

        def open_page(server: Server, path: str = "/playground", **options: object) -> Page:
            options.setdefault("viewport", {"width": 1440, "height": 1000})
            context = contexts.enter_context(chromium.new_context(**options))
            context.set_default_timeout(30_000)
            conduct = Conduct(server.url)
            conducts.append(conduct)
            page = context.new_page()
            conduct.watch(page)
            page.conduct = conduct
            if path.startswith("/"):
                page.goto(f"{server.url}{path}")
            return page

        yield open_page
        for conduct in conducts:
            assert conduct.elsewhere == []
            assert conduct.complaints == []


@pytest.fixture
def page(visit: Callable[..., Page], starter_service: Server) -> Page:
    """The playground of the model that ships, with its first example ranked."""
    page = visit(starter_service)
    page.locator(".ranked").first.wait_for()
    return page
