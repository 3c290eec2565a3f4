"""An engine that fails, on some pairs or on all for a while: nobody else's answer suffers, and health says so."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.faulty import rerank
from support.metrics import Scrape, settled_scrape
from support.open_load import OpenLoad
from support.server import running_server, wait_until

pytestmark = pytest.mark.process

DOWN_FOR_S = 5
REQUESTS, DOCUMENTS = 20, 32


class Watch:
    """Statuses of a probe over time, taken from a thread until stopped."""

    def __init__(self, server, path):
        self.seen = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(server, path))
        self._thread.start()

    def stop(self):
        self._stopped.set()
        self._thread.join()

    def first(self, status, since):
        """Seconds after `since` at which the probe first answered so."""
        return next(when - since for when, seen in self.seen if seen == status and when >= since)

    def _look(self, server, path):
        while not self._stopped.wait(0.05):
            self.seen.append((time.monotonic(), server.status_of(path)))


@pytest.mark.fault
def test_an_engine_that_fails_for_a_while_and_heals(tmp_path):
    """Errors in that time alone, and none hangs; alive throughout; not ready while it fails, and ready again soon."""
    with running_server(tmp_path, engine="fake") as server:
        alive, ready = Watch(server, "/livez"), Watch(server, "/readyz")
        with OpenLoad(server.url, 40) as load:
            time.sleep(1)
            broken_at = time.monotonic()
            assert rerank(server.url, ["[[down]]"]) == 500
            time.sleep(DOWN_FOR_S + 3)
        healed_at = broken_at + DOWN_FOR_S
        for watch in (alive, ready):
            watch.stop()
        failed = [each for each in load.outcomes if each.outcome != 200]
        assert {each.outcome for each in failed} == {500}
        assert len(failed) > 100
        assert all(broken_at - 0.5 <= each.due <= healed_at + 0.5 for each in failed)
        assert max(each.latency_s for each in load.outcomes) < 2
        assert {status for _, status in alive.seen} == {200}
        assert ready.first(503, broken_at) < 2
        assert ready.first(200, broken_at + ready.first(503, broken_at)) < DOWN_FOR_S + 2
        scrape = settled_scrape(server.url)
        assert scrape("rerank_failed_pairs_total") >= 2 * len(failed)
        assert scrape("rerank_requests_total", status="500") == len(failed) + 1


@pytest.mark.fault
def test_the_metric_of_readiness_needs_nobody_who_asks(tmp_path):
    """Without probes and traffic the engine is tried again all the same: the number is what /readyz would say."""
    with running_server(tmp_path, engine="fake") as server:

        def is_shown_ready():
            return Scrape(server.url)("rerank_workers_ready")

        assert is_shown_ready() == 1
        assert [rerank(server.url, ["[[down]]"]) for _ in range(6)] == [500] * 6
        wait_until(lambda: is_shown_ready() == 0, within_s=3)
        assert server.status_of("/readyz") == 503
        wait_until(lambda: is_shown_ready() == 1, within_s=DOWN_FOR_S + 3)
        assert server.status_of("/readyz") == 200


@pytest.fixture
def metered(service):
    """`service`, and what its counters count from here on."""
    before = settled_scrape(service.url)
    return service, lambda name, **labels: settled_scrape(service.url)(name, **labels) - before(name, **labels)


def scores_of(url, documents):
    """Status, and the logits by index or the error's code and message."""
    body = {"query": "alpha beta", "documents": documents, "score_mode": "logit"}
    # Scores from a cache would say nothing of the engine.
    headers = {"cache-control": "no-store"}
    answer = httpx2.post(f"{url}/rerank", json=body, headers=headers, timeout=30, trust_env=False, verify=False)
    if answer.status_code != 200:
        return answer.status_code, (answer.json()["code"], answer.json()["message"])
    return 200, {result["index"]: result["score"] for result in answer.json()["results"]}


def requests_of(marker):
    """Twenty requests, in each the document at another place carries the marker; no two documents are alike."""
    requests = [[f"alpha w{marker}{r} d{d}" for d in range(DOCUMENTS)] for r in range(REQUESTS)]
    return [[*r[:place], f"{r[place]} [[{marker}]]", *r[place + 1 :]] for place, r in enumerate(requests)]


@pytest.mark.parametrize(("marker", "code"), [("poison", "scoring_failed"), ("nan", "non_finite_score")])
def test_a_document_that_cannot_be_scored_fails_alone(metered, marker, code):
    """One in each of twenty requests at a time: its request names it, and those beside have their usual scores."""
    service, counted = metered
    with_marker = requests_of(marker)
    without = [[f"beta x{marker}{r} d{d}" for d in range(DOCUMENTS)] for r in range(REQUESTS)]
    with ThreadPoolExecutor(2 * REQUESTS) as threads:
        beside = threads.map(lambda documents: scores_of(service.url, documents), without)
        failed = list(threads.map(lambda documents: scores_of(service.url, documents), with_marker))
        mixed = list(beside)
    for place, (status, (said, message)) in enumerate(failed):
        assert (status, said) == (500, code)
        assert message.startswith(f"documents[{place}]:")
    assert counted("rerank_failed_pairs_total") == REQUESTS
    alone = [scores_of(service.url, documents) for documents in without]
    assert mixed == alone
