"""The page `/docs` in a browser."""

from __future__ import annotations

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
expect = sync_api.expect


@pytest.mark.parametrize("width", [1440, 390])
def test_an_example_is_there_and_can_be_sent(visit, starter_service, width):
    """An operation opens with its example and the answer; sent, it has one. Nothing is asked elsewhere."""
    page = visit(starter_service, "/docs", viewport={"width": width, "height": 900})
    groups = page.locator(".opblock-tag")
    expect(groups.first).to_contain_text("The native API", timeout=30_000)
    expect(groups).to_have_count(6)
    page.locator("#operations-Rerank-rerank .opblock-summary-control").click()
    expect(page.locator("#operations-Rerank-rerank textarea")).to_contain_text("how tall is mount everest")
    expect(page.locator("#operations-Rerank-rerank .responses-table").first).to_contain_text("relevance_score")
    page.locator("#operations-Rerank-rerank").get_by_role("button", name="Execute").click()
    expect(page.locator("#operations-Rerank-rerank .live-responses-table .response-col_status").last).to_contain_text(
        "200"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
