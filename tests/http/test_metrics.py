"""What operators draw and alert on: each number is what it is called, from the start, in every process mode."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import psutil
import pytest
from support.metrics import Scrape, settled_scrape
from support.server import wait_until

from bentorank import __version__, errors

PHASES = ("queue", "tokenize", "inference")


def subclasses(error):
    return {error}.union(*(subclasses(below) for below in error.__subclasses__()))


@pytest.fixture
def moved(service):
    """How far a metric went since the test began: requests count before their answer."""
    before = Scrape(service.url)

    def since(name, **labels):
        return Scrape(service.url)(name, **labels) - before(name, **labels)

    return since


def test_what_serves_is_told_once(client, service):
    """Version, the served name, engine, device and precision, as `GET /` tells them."""
    about = client.get("/").json()
    (labels,) = [dict(labels) for name, labels in Scrape(service.url).series if name == "rerank_info"]
    assert labels == {"version": __version__} | {key: about[key] for key in ("model", "engine", "device", "precision")}
    assert Scrape(service.url)("rerank_info") == 1


def test_no_metric_of_ours_tells_processes_apart(service):
    """A label `pid` would make a new series with every worker."""
    ours = {name: dict(labels) for name, labels in Scrape(service.url).series if name.startswith("rerank_")}
    assert len(ours) > 50
    assert not [name for name, labels in ours.items() if "pid" in labels]


def test_every_code_is_counted_from_the_start(service):
    """A rate that begins with its first event misses that: each error of ours is there as 0, at the edge or behind."""
    series = Scrape(service.url).series
    there = {
        dict(labels)["code"] for name, labels in series if name in {"rerank_errors_total", "rerank_edge_refusals_total"}
    }
    # A conflict is of the models' admin alone, which ranks nothing.
    never = {errors.ConfigurationError.code, errors.ConflictError.code}
    assert there == {error.code for error in subclasses(errors.BentorankError)} - never


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "", "documents": ["a"]}, 400, "invalid_request"),
        ({"query": "a", "documents": ["b"] * 1001}, 413, "payload_too_large"),
        ({"query": "a", "documents": ["[[poison]]"]}, 500, "scoring_failed"),
        ({"query": "a", "documents": ["[[nan]]"]}, 500, "non_finite_score"),
        ({"query": "a", "documents": ["b"], "deadline_ms": 0.0001}, 504, "deadline_exceeded"),
        ({"query": "a", "documents": ["w " * 600], "overflow": "error"}, 400, "document_too_long"),
    ],
)
def test_an_error_is_counted_under_its_code_alone(client, moved, body, status, code):
    """And its time among those of its class, so that quick refusals flatter no latency of answers."""
    assert client.post("/rerank", json=body).status_code == status
    assert moved("rerank_errors_total", code=code) == moved("rerank_errors_total") == 1
    assert moved("rerank_request_duration_seconds_count", status_class=f"{status // 100}xx") == 1
    assert moved("rerank_request_duration_seconds_count", status_class="2xx") == 0
    assert moved("rerank_documents_total") == 0
    assert moved("rerank_phase_duration_seconds_count") == 0


def test_an_answer_tells_where_its_time_went(client, moved):
    """The phases are those of the answer, once for each, and its documents are counted."""
    timings = client.rerank("alpha", ["a", "b", ""]).json()["timings_ms"]
    for phase in PHASES:
        assert moved("rerank_phase_duration_seconds_count", phase=phase) == 1
        assert moved("rerank_phase_duration_seconds_sum", phase=phase) == pytest.approx(timings[phase] / 1e3)
    assert moved("rerank_documents_total") == 3
    assert moved("rerank_errors_total") == 0


@pytest.mark.parametrize(
    ("path", "body", "dialect"),
    [
        ("/rerank", {"query": "a", "documents": ["b"]}, "native"),
        ("/rerank", {"query": "a", "texts": ["b"]}, "tei"),
        ("/v1/rerank", {"query": "a", "documents": ["b"]}, "superset"),
        ("/v2/rerank", {"model": "m", "query": "a", "documents": ["b"]}, "cohere_v2"),
        ("/rerank/batch", [{"query": "a", "documents": ["b"]}], "batch"),
        ("/score", {"text_1": "a", "text_2": "b"}, "score"),
    ],
)
def test_a_request_is_counted_under_its_api(client, moved, path, body, dialect):
    """What to keep working when a client changes."""
    assert client.post(path, json=body).status_code == 200
    assert moved("rerank_dialect_requests_total", dialect=dialect) == moved("rerank_dialect_requests_total") == 1


def test_a_batch_counts_each_of_its_requests(client, moved):
    """One answer, but as many rankings as it has."""
    requests = [{"query": "a", "documents": ["b"] * count} for count in (1, 2)]
    assert client.post("/rerank/batch", json=requests).status_code == 200
    assert moved("rerank_documents_total") == 3
    assert moved("rerank_phase_duration_seconds_count", phase="queue") == 2
    assert moved("rerank_requests_total", status="200") == 1


def test_the_queue_is_told_in_seconds(slow_service):
    """What waits at the speed that was measured: 160 tokens take the slow device more than a second, then 0."""
    with httpx2.Client(base_url=slow_service.url, timeout=30) as client, ThreadPoolExecutor(1) as threads:
        client.post("/rerank", json={"query": "a", "documents": ["w " * 18] * 2})
        before = settled_scrape(slow_service.url)
        large = threads.submit(client.post, "/rerank", json={"query": "a", "documents": ["w " * 18] * 8})
        seen = []

        def waits():
            scrape = Scrape(slow_service.url)
            seen.append((scrape("rerank_queue_wait_seconds"), scrape("rerank_queue_tokens")))
            return seen[-1][1] >= 80

        wait_until(waits, within_s=5)
        wait_s, tokens = seen[-1]
        # 40 tokens take 0.4 s here, and what a busy machine adds.
        assert tokens / 100 * 0.5 < wait_s <= tokens / 100 * 2
        assert large.result().status_code == 200
    wait_until(lambda: Scrape(slow_service.url)("rerank_queue_wait_seconds") == 0, within_s=5)
    busy_s = Scrape(slow_service.url)("rerank_device_busy_seconds_total") - before("rerank_device_busy_seconds_total")
    computed = Scrape(slow_service.url)("rerank_tokens_total") - before("rerank_tokens_total")
    assert busy_s == pytest.approx(computed / 100, rel=0.5)


def test_the_workers_are_shown_as_the_system_sees_them(client, service):
    """Memory, processor time and descriptors are those of the worker process."""
    client.rerank()
    scrape = settled_scrape(service.url)
    (worker,) = map(psutil.Process, service.worker_pids)
    assert (scrape("rerank_workers"), scrape("rerank_workers_ready")) == (1, 1)
    assert scrape("rerank_process_resident_memory_bytes") == pytest.approx(worker.memory_info().rss, rel=0.2)
    assert 0 < scrape("rerank_process_cpu_seconds_total") <= sum(worker.cpu_times()[:2]) + 1
    assert scrape("rerank_process_open_fds") == pytest.approx(worker.num_fds(), abs=20)
    assert scrape("rerank_process_max_fds") == worker.rlimit(psutil.RLIMIT_NOFILE)[0]


def test_where_no_redis_is_used_none_is_down(service):
    """A metric that is 0 there would look like an outage."""
    assert "rerank_cache_redis_up" not in Scrape(service.url).names


def test_help_is_whole_sentences(service):
    """Each metric says what it is."""
    lines = [line for line in Scrape(service.url).text.splitlines() if line.startswith("# HELP rerank_")]
    assert len(lines) > 35
    assert [line for line in lines if not line.endswith(".")] == []
