"""Models loaded and unloaded while a server serves: by whom, one at a time, and without disturbing anybody."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil
import pytest
from support.contract import ContractClient
from support.metrics import Scrape, settled_scrape
from support.server import running_server, wait_until
from support.tiny_folders import make_vast, tiny_models

from bentorank.engines.loading import load_engine
from bentorank.engines.options import EngineOptions, Precision
from bentorank.types import Pair

ADMIN_KEY, API_KEY = "an-admin-key-of-this-test", "an-api-key-of-this-test"
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
USER = {"x-api-key": API_KEY}
PATH = "/admin/models"
# So slow that requests are still being answered when their model is to leave.
SLOW = {"fake_batch_delay_ms": 150, "max_batch_tokens": 64, "cache": False}


@pytest.fixture(scope="module")
def administered(fleet):
    """A server of one fake model with an admin, and keys for the others."""
    return fleet("administered", engine="fake", models="first=x", admin_key=ADMIN_KEY, api_keys=API_KEY, **SLOW)


@pytest.fixture
def admin(administered):
    """An admin, after whom the first model is alone again."""
    with ContractClient(administered.url, headers=ADMIN) as client:
        yield client
        wait_until(lambda: all(each["state"] in ("serving", "failed") for each in states(client)), within_s=20)
        if is_there(client, "second"):
            client.delete(f"{PATH}/second")
            wait_until(lambda: not is_there(client, "second"), within_s=20)


@pytest.fixture
def user(administered):
    with ContractClient(administered.url, headers=USER) as client:
        yield client


def states(admin):
    return admin.get(PATH).json()["data"]


def is_there(admin, name):
    return name in [each["name"] for each in states(admin)]


def is_serving(admin, name):
    status = admin.get(f"{PATH}/{name}").json()
    assert status["error"] is None, status
    return status["state"] == "serving"


def load(admin, name="second", **more):
    answer = admin.post(PATH, json={"name": name, "source": "y"} | more)
    assert (answer.status_code, answer.json()["state"]) == (202, "loading"), answer.text
    wait_until(lambda: is_serving(admin, name))


def answers_until_refused(ask, at_most=100):
    """Those of asking again and again."""
    answers = [ask()]
    while answers[-1].status_code == 200 and len(answers) < at_most:
        answers.append(ask())
    return answers


def test_a_model_is_loaded_asked_for_and_unloaded(admin, user, administered):
    """As the list of models would have it, with its metrics; afterwards whoever names it is told, not given another."""
    load(admin, aliases=["team/second"], max_pair_tokens=16, overflow="chunk")
    assert user.rerank("alpha", ["beta " * 40], model="team/second").json()["results"][0]["span"] is not None
    assert [model["id"] for model in user.get("/v1/models").json()["data"]] == ["first", "second"]
    assert settled_scrape(administered.url)("rerank_documents_total", model="second") == 1
    assert admin.delete(f"{PATH}/second").json()["state"] == "unloading"
    wait_until(lambda: admin.get(f"{PATH}/second").status_code == 404, within_s=20)
    assert [model["id"] for model in user.get("/v1/models").json()["data"]] == ["first"]
    for name in ("second", "team/second"):
        refused = user.rerank(model=name)
        assert (refused.status_code, refused.json()["code"]) == (404, "model_not_found")
    assert user.rerank(model="never-there").json()["model"] == "first"
    scrape = Scrape(administered.url)
    assert (scrape("rerank_info", model="first"), scrape("rerank_info", model="second")) == (1, 0)


def test_nobody_else_may(administered, user):
    """Neither without a key nor with one that reranks; nor does the admin's rerank."""
    with ContractClient(administered.url) as stranger:
        for client in (stranger, user):
            for method, path in (("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/x"), ("DELETE", f"{PATH}/first")):
                refused = client.request(method, path, json={"name": "x", "source": "y"})
                assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        assert stranger.get("/v1//../admin/models/").status_code in (401, 404)
        assert stranger.post("/rerank", json={"query": "a", "documents": ["b"]}, headers=ADMIN).status_code == 401


def test_there_is_no_such_route_without_an_admin(client):
    """Whatever key is shown."""
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/starter")):
        refused = client.request(method, path, headers=ADMIN, json={})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


def test_requests_of_a_model_that_leaves_are_answered(admin, user):
    """All that it has accepted, batches too; those that come later are refused, and the others' go on."""
    load(admin)
    texts = [f"beta {number} " * 15 for number in range(4)]
    batch = [{"query": "alpha", "documents": texts[:2], "model": name} for name in ("second", "first", "second")]
    # Whoever is answered asks again, so that some are always waiting, however fast or slow the machine is.
    asking = [partial(user.rerank, "alpha", texts, model="second") for _ in range(3)]
    asking.append(partial(user.post, "/rerank/batch", json=batch))
    with ThreadPoolExecutor(len(asking)) as callers:
        asked = [callers.submit(answers_until_refused, ask) for ask in asking]
        wait_until(lambda: admin.get(f"{PATH}/second").json()["requests"] >= 4)
        left = admin.delete(f"{PATH}/second").json()
        assert (left["state"], left["requests"] >= 2) == ("unloading", True), left
        assert user.rerank("alpha", texts, model="first").status_code == 200
    for answers in [each.result() for each in asked]:
        assert {answer.status_code for answer in answers[:-1]} <= {200}
        assert (answers[-1].status_code, answers[-1].json().get("code")) == (404, "model_not_found")
    wait_until(lambda: not is_there(admin, "second"), within_s=20)


def test_one_change_at_a_time(admin, user):
    """While a model leaves, no other comes or goes."""
    load(admin)
    with ThreadPoolExecutor(1) as callers:
        answer = callers.submit(user.rerank, "alpha", ["beta " * 40] * 9, model="second")
        wait_until(lambda: admin.get(f"{PATH}/second").json()["requests"], within_s=10)
        assert admin.delete(f"{PATH}/second").status_code == 202
        for refused in (admin.post(PATH, json={"name": "third", "source": "y"}), admin.delete(f"{PATH}/first")):
            assert refused.status_code == 409
            assert refused.json()["message"] == "a model is unloading: one change at a time"
        assert answer.result().status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"name": "x"}, 400, "source: is missing: write name=source"),
        ({"name": "a b", "source": "y"}, 400, "name: must be 1 to 200 characters without spaces"),
        ({"name": "x", "source": "y", "trust_remote_code": True}, 400, "trust_remote_code: is no setting of a model"),
        ({"name": "x", "source": "y", "max_pair_tokens": 3}, 400, "max_pair_tokens: "),
        ({"name": "first", "source": "y"}, 409, "name: is taken"),
        ({"name": "x", "source": "y", "aliases": ["first"]}, 409, "aliases: is taken"),
        ({"name": "x", "source": "y", "aliases": ["x"]}, 409, "aliases: is taken"),
        ({"name": "embeddings", "source": "y"}, 400, "name: no model can be called embeddings"),
        ({"name": "x", "source": "y", "aliases": ["none"]}, 400, "aliases: no model can be called none"),
        ([], 400, "the body must be a JSON object"),
    ],
)
def test_what_cannot_be_loaded_is_refused_at_once(admin, body, status, message):
    """By field and rule."""
    refused = admin.post(PATH, json=body)
    assert (refused.status_code, refused.json()["message"][: len(message)]) == (status, message)
    assert [each["name"] for each in states(admin)] == ["first"]


def test_the_default_stays_and_a_stranger_cannot_leave(admin):
    """Requests that name no model must have one."""
    refused = admin.delete(f"{PATH}/first")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert admin.delete(f"{PATH}/nobody").status_code == 404
    assert admin.get(f"{PATH}/nobody").status_code == 404


def test_the_service_stays_ready_while_a_second_model_comes(admin, administered):
    """Though of several models each has to answer first."""
    admin.post(PATH, json={"name": "second", "source": "y"})
    statuses = set()
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        statuses.add(administered.status_of("/readyz"))
    assert statuses == {200}
    assert is_serving(admin, "second")


@pytest.mark.slow
def test_real_models_come_and_go(tmp_path):
    """One that is none, or that memory has no room for, is told and leaves no trace; a good one scores as alone."""
    tiny = tiny_models()
    tiny.build_bert(tmp_path / "tiny")
    make_vast(tmp_path / "tiny", tmp_path / "vast")
    options = EngineOptions(model=str(tmp_path / "tiny"), precision=Precision.F32, cache_dir=tmp_path / "cache")
    engine = load_engine(options)
    alone = engine.forward(engine.encode([Pair("bread", text) for text in tiny.CORPUS])).tolist()
    with (
        running_server(tmp_path / "home", admin_key=ADMIN_KEY) as server,
        ContractClient(server.url, headers=ADMIN) as client,
    ):
        worker = psutil.Process(server.worker_pids[0])
        for source, sentence in (
            (tmp_path / "none", "the model setting names a folder that does not exist"),
            (tmp_path / "vast", "GiB at least while it is loaded"),
        ):
            assert client.post(PATH, json={"name": "tiny", "source": str(source)}).status_code == 202
            wait_until(lambda: client.get(f"{PATH}/tiny").json()["state"] == "failed", within_s=60)
            assert sentence in client.get(f"{PATH}/tiny").json()["error"]
            assert client.rerank(model="tiny").json()["model"] == "starter"
        resident = []
        for _ in range(5):
            load(client, "tiny", source=str(tmp_path / "tiny"), precision="f32")
            answer = client.rerank("bread", tiny.CORPUS, model="tiny", score_mode="logit").json()
            logits = [item["score"] for item in sorted(answer["results"], key=lambda item: item["index"])]
            assert logits == pytest.approx(alone, abs=1e-4)
            client.delete(f"{PATH}/tiny")
            wait_until(lambda: not is_there(client, "tiny"), within_s=20)
            resident.append(worker.memory_info().rss)
        assert resident[-1] - resident[1] < 20 * 2**20


@pytest.mark.slow
def test_a_stop_during_a_conversion_leaves_nothing_of_it(tmp_path):
    """It runs on a thread that nobody waits for; its files may be gigabytes."""
    tiny_models().build_bert(tmp_path / "tiny")
    settings = {"admin_key": ADMIN_KEY}
    with running_server(tmp_path / "home", **settings) as server, ContractClient(server.url, headers=ADMIN) as client:
        described = {"name": "tiny", "source": str(tmp_path / "tiny"), "precision": "f32"}
        assert client.post(PATH, json=described).status_code == 202
        kept = tmp_path / "home" / "cache" / "openvino"
        wait_until(lambda: kept.exists() and any(path.is_dir() for path in kept.iterdir()), within_s=20)
    assert not [path for path in kept.iterdir() if path.is_dir()]
