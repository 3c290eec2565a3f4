"""Keys, limits, errors, and texts that would be scripts."""

from __future__ import annotations

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
from support.keys import KEY  # noqa: E402
from support.playground import ask, lane, wait_until_ranked  # noqa: E402

expect = sync_api.expect

SCRIPTS = [
    "<img src=x onerror='window.ran = 1'>",
    "<script>window.ran = 1</script>",
    "<svg onload='window.ran = 1'></svg>",
    "</textarea><iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "javascript:window.ran=1",
    "{{constructor.constructor('window.ran = 1')()}}",
]
STORED = """async () => JSON.stringify([
  {...localStorage}, {...sessionStorage}, document.cookie, location.href,
  (await indexedDB.databases()).length, (await caches.keys()).length, history.state,
])"""


def test_texts_that_would_be_scripts_are_texts(visit, service):
    """In the query, in documents, opened and in the programs: nothing runs, and no element comes of them."""
    page = visit(service)
    ask(page, SCRIPTS[0], "\n".join(SCRIPTS))
    wait_until_ranked(page, len(SCRIPTS))
    page.get_by_text("More", exact=True).click()
    assert page.get_by_label("Instruction").count() == 0  # of which this model reads none
    for row in page.locator(".head").all():
        row.click()
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert "onerror" in page.get_by_role("tabpanel").inner_text()
    assert page.locator(".passage").count() == len(SCRIPTS)
    assert page.locator(".board img, .board iframe, .board script, .copying img, body > svg").count() == 0
    assert page.evaluate("window.ran") is None


def test_the_policy_stops_what_the_page_never_does(visit, service):
    """Were there a way to write HTML or load from elsewhere, the browser would stop it."""
    page = visit(service)
    assert page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return error.name } }"
    ) == ("TypeError")
    assert page.evaluate("() => fetch('https://example.com/').catch(error => error.name)") == "TypeError"
    page.conduct.complaints.clear()
    page.conduct.urls[:] = [url for url in page.conduct.urls if "example.com" not in url]


def test_a_key_is_asked_for_and_kept_nowhere(visit, guarded_service):
    """Nothing is ranked before; a wrong one is told; the right one is in no storage, address or program."""
    page = visit(guarded_service)
    key = page.get_by_label("API key")
    expect(key).to_be_focused()
    assert page.conduct.sent == []
    key.fill("wrong-key-000")
    key.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="401")).to_contain_text("this API key is not valid here")
    key.fill(KEY)
    key.press("Enter")
    ask(page, "alpha", "alpha\nbeta")
    wait_until_ranked(page, 2)
    everything = page.evaluate(STORED)
    assert KEY not in everything
    assert everything.startswith('[{},{},"",')
    for tab in page.get_by_role("tab").all():
        tab.click()
        text = page.get_by_role("tabpanel").inner_text()
        assert KEY not in text
        assert "BENTORANK_API_KEY" in text
    assert not [url for url in page.conduct.urls if KEY in url]
    page.reload()
    expect(page.get_by_label("API key")).to_have_value("")


def test_what_is_over_a_limit_is_told_before_it_is_sent(visit, small_service):
    """In the words of the service; when it is mended, it goes."""
    page = visit(small_service)
    problems = page.get_by_role("alert").first
    expect(problems).to_contain_text("documents: 10 documents, more than the limit of 5")
    ask(page, "q" * 51, "\n".join(["a" * 101, "b", "c"]))
    expect(problems).to_contain_text("query: 51 characters, more than the limit of 50")
    expect(problems).to_contain_text("documents[0]: 101 characters, more than the limit of 100")
    expect(page.get_by_label("Query")).to_have_attribute("aria-invalid", "true")
    ask(page, " ", "a")
    expect(problems).to_contain_text("query: must not be blank")
    ask(page, "\U0001f600" * 50, "a\nb")
    wait_until_ranked(page, 2)
    expect(problems).to_have_text("")
    assert len(page.conduct.sent) == 1


def test_errors_are_shown_as_the_service_tells_them(visit, service):
    """Status, code, field and limit, and the id by which the log has it; other lanes are none the worse."""
    page = visit(service)
    ask(page, "alpha", '["beta", "' + "word " * 600 + '"]')
    wait_until_ranked(page, 2)
    page.get_by_role("button", name="+ Compare").click()
    wait_until_ranked(page, 4)
    lane(page, "Reranked B").get_by_label("Long documents").select_option("error")
    told = lane(page, "Reranked B").get_by_role("alert")
    expect(told).to_contain_text("400 document_too_long")
    expect(told).to_contain_text("documents[1]")
    expect(told).to_contain_text("request ")
    expect(lane(page, "Reranked A").locator(".ranked")).to_have_count(2)
    ask(page, "alpha", "beta\n[[poison]]")
    expect(lane(page, "Reranked A").get_by_role("alert")).to_contain_text("500")


def test_a_service_that_is_gone_is_told(visit, service):
    """Not a page that waits for ever."""
    page = visit(service)
    page.locator(".ranked").first.wait_for()
    page.route("**/rerank", lambda route: route.abort())
    page.get_by_role("button", name="Rerank").click()
    expect(lane(page).get_by_role("alert")).to_contain_text("The service does not answer.")
