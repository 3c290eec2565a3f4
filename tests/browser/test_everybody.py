"""For everybody: keyboards, screen readers, dark rooms, small screens, those whom motion makes ill."""

from __future__ import annotations

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make test-browser installs it")
from support.playground import LONG_EXAMPLE, lane, order, wait_until_ranked  # noqa: E402

expect = sync_api.expect

WIDE, NARROW, TINY = {"width": 1440, "height": 900}, {"width": 390, "height": 844}, {"width": 320, "height": 640}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
def test_axe_finds_nothing(visit, starter_service, scheme, screen):
    """No rule of axe-core is broken, best practices included: with two lanes, open rows, an error and a mistake."""
    page = visit(starter_service, viewport=screen, color_scheme=scheme)
    page.locator(".ranked").first.wait_for()
    page.get_by_label("Example").select_option(label=LONG_EXAMPLE)
    wait_until_ranked(page, 12)
    for name in ("Reranked A", "Reranked B"):
        lane(page, name).locator("[data-index='3'] .head").click()
    assert findings(page) == []
    lane(page, "Reranked A").get_by_label("Long documents").select_option("error")
    lane(page, "Reranked A").get_by_role("alert").wait_for()
    page.get_by_label("Query").fill("")
    page.get_by_role("button", name="Rerank").click()
    assert findings(page) == []


def findings(page):
    found = axe.Axe().run(page).response
    return [
        (rule["impact"], rule["id"], [node["html"][:120] for node in rule["nodes"]][:3]) for rule in found["violations"]
    ]


def test_everything_can_be_done_by_keyboard(page):
    """The skip link, a row, the sliders, the tabs; what has the focus shows it."""
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the rankings")).to_be_focused()
    page.keyboard.press("Enter")
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.className || document.activeElement.id"))
        outline = page.evaluate(
            "() => { const at = document.activeElement, shown = at.type === 'radio' ? at.nextElementSibling : at;"
            " return getComputedStyle(shown).outlineStyle }"
        )
        assert outline != "none", seen
        if seen[-1] == "head":
            break
    assert {"threshold", "top-n", "compare", "overflow-A"} <= set(seen)
    page.keyboard.press("Enter")
    expect(page.locator(".head").first).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".passage")).to_have_count(1)
    page.keyboard.press("Space")
    expect(page.locator(".passage")).to_have_count(0)
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.get_by_role("tabpanel")).to_contain_text("bentorank_client")
    page.get_by_label("Top n").focus()
    page.keyboard.press("Home")
    expect(page.locator(".ranked:not(.out)")).to_have_count(1)


def test_a_screen_reader_hears_what_happened(page):
    """One sentence in a live region; headings and named regions to jump to."""
    best = order(lane(page))[0]
    expect(page.locator("#said")).to_have_text(f"Ranked: first is document {best + 1}.")
    for name in ("bentorank playground", "Retrieved", "Reranked", "The same from a program"):
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


@pytest.mark.parametrize("screen", [WIDE, NARROW, TINY], ids=["wide", "narrow", "tiny"])
def test_nothing_is_wider_than_the_screen(visit, starter_service, screen):
    """With as many lanes as there may be."""
    page = visit(starter_service, viewport=screen)
    page.locator(".ranked").first.wait_for()
    for rows in (20, 30):
        page.get_by_role("button", name="+ Compare").click()
        wait_until_ranked(page, rows)
    expect(page.get_by_role("button", name="+ Compare")).to_be_disabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]


def test_dark_and_light_by_the_system_or_the_button(visit, service):
    """The button's word holds for as long as the page is open."""
    light, dark = (visit(service, color_scheme=scheme) for scheme in ("light", "dark"))
    papers = [background(light), background(dark)]
    assert papers[0] != papers[1]
    for page in (light, dark):
        seen = []
        for theme in ("light", "dark", "auto"):
            page.locator("#theme").click()
            expect(page.locator("#theme")).to_have_text(f"Theme: {theme}")
            seen.append(background(page))
        assert seen == [*papers, papers[page is dark]]


def background(page):
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def test_nothing_moves_for_those_who_do_not_want_it(visit, service):
    """`prefers-reduced-motion`."""
    still, moving = (visit(service, reduced_motion=wish) for wish in ("reduce", "no-preference"))
    durations = "getComputedStyle(document.querySelector('.fill')).transitionDuration"
    for page in (still, moving):
        page.locator(".ranked").first.wait_for()
    assert still.evaluate(durations) == "0s"
    assert moving.evaluate(durations) != "0s"
