"""What a visitor does on the playground, and sees there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

LONG_EXAMPLE = "A long document: cut, or split into chunks"


def lane(page: Page, name: str = "Reranked") -> Locator:
    """The column of one way to rank."""
    return page.get_by_role("region", name=name, exact=True)


def order(lane: Locator) -> list[int]:
    """Positions of the documents from the top of a lane."""
    return [int(row.get_attribute("data-index")) for row in lane.locator(".ranked").all()]


def ask(page: Page, query: str, documents: str) -> None:
    """Fill the fields and press the button."""
    page.get_by_label("Query").fill(query)
    page.get_by_label("Documents, in your").fill(documents)
    page.get_by_role("button", name="Rerank").click()


def wait_until_ranked(page: Page, count: int) -> None:
    """Until the board, all lanes together, shows so many rows that are up to date."""
    expect(page.locator(".ranked")).to_have_count(count)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    expect(page.locator(".board.stale")).to_have_count(0)


def slide(slider: Locator, value: float) -> None:
    """Put a slider somewhere, as a hand does."""
    slider.evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', {bubbles: true})) }", value
    )


def program(page: Page, language: str) -> str:
    """The request as it may be copied."""
    page.get_by_role("tab", name=language).click()
    return page.get_by_role("tabpanel").inner_text()
