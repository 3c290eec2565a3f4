"""What `bentorank serve` starts: its banner, BentoML's own client, and the other ways to start it."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
from support.contract import ContractClient
from support.fetching import fetch
from support.keys import KEY
from support.server import BIN, running_server, wait_until

from bentorank.defaults import heaps
from bentorank.engines.cores import usable_processors

# BentoML warns of its own dependencies as it is imported and used.
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PAIRS = [{"query": "alpha beta", "passage": passage} for passage in ("alpha", "alpha beta", "nothing", "")]


@pytest.fixture(scope="module")
def bento(service):
    """BentoML's client of `service`."""
    with bentoml_client(service) as client:
        yield client


@contextmanager
def bentoml_client(server):
    import bentoml

    with bentoml.SyncHTTPClient(server.url, server_ready_timeout=30) as client:
        yield client
    client._temp_dir.cleanup()  # which it leaves to the garbage collector, and that complains


def test_bentomls_client_gets_the_logits_of_rerank(bento, client):
    """The typed API and the HTTP API are one model."""
    by_index = {
        result["index"]: result["score"]
        for result in client.rerank("alpha beta", [p["passage"] for p in PAIRS], score_mode="logit").json()["results"]
    }
    assert bento.score(pairs=PAIRS) == [by_index[i] for i in range(len(PAIRS))]


def test_a_poisoned_pair_scores_none(bento):
    """An error is a value, since BentoML merges the calls of several clients."""
    pairs = [PAIRS[0], {"query": "alpha", "passage": "[[poison]]"}, PAIRS[1], {"query": "a", "passage": "[[nan]]"}]
    scores = bento.score(pairs=pairs)
    assert [score is None for score in scores] == [False, True, False, True]


def test_a_query_that_is_too_long_scores_none(bento):
    """It fails neither the other pairs of the call nor those of other clients."""
    pairs = [PAIRS[0], {"query": "word " * 300, "passage": "a"}, PAIRS[1]]
    expected = bento.score(pairs=[PAIRS[0], PAIRS[1]])
    assert bento.score(pairs=pairs) == [expected[0], None, expected[1]]


def test_no_pairs_have_no_scores(bento):
    """An empty list is no error."""
    assert bento.score(pairs=[]) == []


def test_more_pairs_than_a_batch_come_back_in_order(bento):
    """BentoML cuts 1,000 pairs into several calls and joins the answers."""
    pairs = [{"query": f"word{i}", "passage": f"word{i if i % 3 else 'x'}"} for i in range(1000)]
    scores = bento.score(pairs=pairs)
    assert [score > 0 for score in scores] == [bool(i % 3) for i in range(1000)]


def test_merged_calls_get_their_own_scores(bento, service):
    """Concurrent calls that BentoML merges are taken apart again rightly, poison among them."""
    expected = bento.score(pairs=PAIRS)

    def call(i):
        pairs = PAIRS[i % 4 :] + ([{"query": "a", "passage": "[[poison]]"}] if i % 3 == 0 else [])
        with bentoml_client(service) as client:
            return client.score(pairs=pairs) == expected[i % 4 :] + ([None] if i % 3 == 0 else [])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(call, range(24)))


def test_the_banner_says_where_the_service_is_and_its_curl_line_works(service):
    """URL, model, device, documentation; the line to try answers with Mount Everest first."""
    wait_until(lambda: "curl " in service.log)
    log = service.log
    assert service.url in log
    assert "model fake on cpu" in log
    assert f"{service.url}/docs" in log
    assert f"{service.url}/playground" in log
    (line,) = [line for line in log.splitlines() if line.startswith("curl ")]
    shell = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=30, check=False)
    if shell.returncode == 127:
        pytest.skip("there is no curl here")
    assert '"results":[{"index":1,' in shell.stdout


def test_where_keys_are_wanted_the_curl_line_shows_a_variable_for_one(guarded_service):
    """The line works once the variable is set, and no key is printed."""
    wait_until(lambda: "curl " in guarded_service.log)
    (line,) = [line for line in guarded_service.log.splitlines() if line.startswith("curl ")]
    assert "$BENTORANK_API_KEY" in line
    assert KEY not in guarded_service.log
    environment = {**os.environ, "BENTORANK_API_KEY": KEY}
    shell = subprocess.run(line, shell=True, env=environment, capture_output=True, text=True, timeout=30, check=False)
    if shell.returncode == 127:
        pytest.skip("there is no curl here")
    assert '"results":[{"index":1,' in shell.stdout


@pytest.mark.parametrize("target", ["bentorank.service:BentoRank", "service:BentoRank"])
def test_bentoml_serve_works_as_well(tmp_path, target):
    """The service is an ordinary BentoML service, from the package and from the checkout."""
    command = [str(BIN / "bentoml"), "serve", target]
    with running_server(tmp_path, command, engine="fake") as server, ContractClient(server.url) as client:
        assert client.rerank("alpha", ["beta", "alpha"]).json()["results"][0]["index"] == 1
        assert client.post("/rerank", json={"query": "alpha"}).status_code == 400


def test_without_docs_and_playground_there_are_none(tmp_path):
    """Off, a page is away with all that belongs to it, from the list of endpoints and from the banner too."""
    pages = ("/docs", "/openapi.json", "/docs-assets/swagger-ui.css", "/playground", "/playground-assets/main.js")
    with running_server(
        tmp_path, engine="fake", docs=False, playground=False, served_model_name="house-model"
    ) as server:
        assert [server.status_of(path) for path in pages] == [404] * len(pages)
        wait_until(lambda: "curl " in server.log)
        assert "documentation" not in server.log
        assert "playground" not in server.log
        assert server.status_of("/") == 200
        about = fetch(server.url + "/")[1].decode()
        assert '"model":"house-model"' in about
        assert "/docs" not in about
        assert "/playground" not in about


def test_a_worker_has_a_heap_for_each_thread_that_can_run(service):
    """Two on fewer than two cores: `bentorank serve` sets it, and a worker's C library reads it as it starts."""
    (worker,) = service.worker_pids
    assert psutil.Process(worker).environ()["MALLOC_ARENA_MAX"] == str(heaps(usable_processors()))
