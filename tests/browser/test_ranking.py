"""The playground ranks: what it shows is what the service answers."""

from __future__ import annotations

import re

import httpx2
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
from support.playground import LONG_EXAMPLE, ask, lane, order, program, slide, wait_until_ranked  # noqa: E402

expect = sync_api.expect

# Its answer stands behind letters that JavaScript counts twice and the service once.
EMOJI_DOCUMENT = "\U0001f9d7 Climbers rest here. " * 200 + "Mount Everest is 8,849 metres tall."


def rerank(server, **body):
    answer = httpx2.post(f"{server.url}/rerank", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_first_example_is_ranked_on_opening(page, starter_service):
    """Nobody has to press anything to see what reranking does; order, scores and moves are those of the service."""
    (sent,) = page.conduct.sent
    answer = rerank(starter_service, **sent)
    expected = [result["index"] for result in answer["results"]]
    assert order(lane(page)) == expected != sorted(expected)
    first = page.locator(".ranked").first
    assert first.locator(".score").inner_text() == f"{answer['results'][0]['relevance_score']:.3f}"
    name = re.compile(rf"^1 up {expected[0]}, was {expected[0] + 1} score 0\.")
    expect(first.get_by_role("button")).to_have_accessible_name(name)
    assert page.locator(".links path").count() == len(expected)
    assert page.locator(".links .up").count() == sum(index > rank for rank, index in enumerate(expected))
    expect(page.locator(".timings")).to_contain_text(f"{answer['usage']['pairs']} pairs")


def test_own_texts_and_a_whole_request_can_be_pasted(page):
    """Lines, JSON, or the body that a program sends, whose query is taken too."""
    ask(page, "what do owls eat", "Bread needs flour.\nOwls eat mice.")
    wait_until_ranked(page, 2)
    assert order(lane(page)) == [1, 0]
    request = (
        '{"query": "what needs flour", "documents": [{"text": "Owls eat mice."}, "Bread needs flour."], "top_n": 1}'
    )
    page.get_by_label("Documents, in your").fill(request)
    expect(page.get_by_label("Query")).to_have_value("what needs flour")
    expect(page.locator(".board")).to_have_class("board stale")
    page.keyboard.press("Control+Enter")
    wait_until_ranked(page, 2)
    assert order(lane(page)) == [1, 0]


def test_settings_stand_beside_each_other(page, starter_service):
    """A long document that is cut loses its answer, and one that is split does not: both are seen at once."""
    page.get_by_label("Example").select_option(label=LONG_EXAMPLE)
    wait_until_ranked(page, 12)
    cut, split = lane(page, "Reranked A"), lane(page, "Reranked B")
    assert order(cut)[0] != order(split)[0] == 3
    expect(cut.get_by_role("list", name="Warnings")).to_contain_text("were cut")
    texts = next(body for body in page.conduct.sent if body.get("overflow") == "chunk")
    best = next(r for r in rerank(starter_service, **texts)["results"] if r["index"] == 3)["span"]
    split.locator("[data-index='3'] .head").click()
    marked = split.locator("mark").evaluate("mark => mark.childNodes[1].data")
    assert marked == texts["documents"][3][best["start"] : best["end"]]
    assert "8,849 metres" in marked
    cut.locator("[data-index='3'] .head").click()
    unread = cut.locator(".unread").evaluate("part => part.childNodes[1].data")
    assert texts["documents"][3].endswith(unread)
    assert "8,849 metres" in unread
    split.get_by_role("button", name="Remove B").click()
    expect(page.locator(".lane")).to_have_count(2)
    page.get_by_role("button", name="+ Compare").click()
    wait_until_ranked(page, 12)


def test_spans_count_letters_as_the_service_does(page):
    """Code points: what is marked is what was read, whatever script it is in."""
    ask(page, "How tall is Mount Everest?", f'["{EMOJI_DOCUMENT}", "Owls eat mice."]')
    wait_until_ranked(page, 2)
    lane(page).get_by_label("Long documents").select_option("chunk")
    expect(page.locator(".tag", has_text="best part")).to_have_count(1)
    page.locator("[data-index='0'] .head").click()
    marked = page.locator("mark").evaluate("mark => mark.childNodes[1].data")
    assert EMOJI_DOCUMENT.endswith(marked)
    assert "8,849" in marked


def test_threshold_and_top_n_leave_out_what_the_service_would(page, starter_service):
    """At once, without asking again; what stays is what a request with these numbers gets."""
    (sent,) = page.conduct.sent
    kept = page.locator(".ranked:not(.out)")
    slide(page.get_by_label("Threshold"), 40)
    answer = rerank(starter_service, **sent, score_threshold=0.4)
    expect(kept).to_have_count(len(answer["results"]))
    slide(page.get_by_label("Top n"), 2)
    expect(kept).to_have_count(2)
    assert 2 < len(answer["results"]) < 10
    assert len(page.conduct.sent) == 1
    slide(page.get_by_label("Top n"), 10)
    slide(page.get_by_label("Threshold"), 0)
    expect(kept).to_have_count(10)


def test_models_stand_beside_each_other(visit, starter_service):
    """Where the list has two, the next lane takes the other, and each lane's request and program name theirs."""
    two = {"object": "list", "data": [{"id": "starter"}, {"id": "larger"}]}
    page = visit(starter_service, path="")
    page.route("**/v1/models", lambda route: route.fulfill(json=two))
    page.goto(f"{starter_service.url}/playground")
    wait_until_ranked(page, 10)
    page.get_by_role("button", name="+ Compare").click()
    wait_until_ranked(page, 20)
    assert [body["model"] for body in page.conduct.sent] == ["starter", "larger"]
    expect(lane(page, "Reranked B").get_by_label("Model", exact=True)).to_have_value("larger")
    page.get_by_label("Of", exact=True).select_option("B")
    assert '"model": "larger"' in program(page, "curl")


@pytest.mark.parametrize(("mode", "label"), [("logit", "Logit"), ("model", "Model’s own")])
def test_score_modes(page, starter_service, mode, label):
    """The order stays, the numbers are the service's."""
    before = order(lane(page))
    page.get_by_text(label, exact=True).click()
    first = rerank(starter_service, **page.conduct.sent[0] | {"score_mode": mode})["results"][0]
    expect(page.locator(".score").first).to_have_text(f"{first['relevance_score']:.2f}")
    assert order(lane(page)) == before
    expect(page.get_by_role("radio", name=label)).to_be_checked()


def test_scores_can_be_asked_for_anew(page):
    """Remembered ones say so; with the box ticked there are none."""
    page.get_by_role("button", name="Rerank").click()
    expect(page.locator(".timings")).to_contain_text("10 remembered")
    page.get_by_label("Use no remembered scores").check()
    page.get_by_role("button", name="Rerank").click()
    expect(page.locator(".timings")).not_to_contain_text("remembered")


def test_a_thousand_documents_do_not_drown_the_page(visit, service):
    """The first hundred are shown, the rest when asked for."""
    page = visit(service)
    ask(page, "alpha beta", "\n".join(f"alpha {number}" for number in range(1000)))
    wait_until_ranked(page, 100)
    page.get_by_role("button", name="Show 900 more").click()
    wait_until_ranked(page, 1000)
