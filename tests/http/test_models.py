"""Several models on one server: which of them answers, and that everything told of a request is told of that one."""

import pytest
from support.contract import ContractClient
from support.metrics import Scrape, settled_scrape
from support.server import free_port, run_command, running_server, wait_until
from support.tiny_folders import tiny_models

from bentorank.engines.loading import load_engine
from bentorank.engines.options import EngineOptions, Precision
from bentorank.types import Pair

LIST = """
[[models]]
name = "wide"
source = "first"
aliases = ["rerank-v3.5", "team/wide"]

[[models]]
name = "narrow"
source = "second"
max_pair_tokens = 16
overflow = "chunk"
"""

LONG = "beta " * 20
BODIES = {
    "/rerank": {"query": "alpha", "documents": [LONG]},
    "/v1/rerank": {"query": "alpha", "documents": [LONG]},
    "/v2/rerank": {"query": "alpha", "documents": [LONG]},
    "/voyage/rerank": {"query": "alpha", "documents": [LONG]},
    "/infinity/rerank": {"query": "alpha", "documents": [LONG]},
    "/v1/reranking": {"query": "alpha", "input": [LONG]},
    "/v1/ranking": {"query": {"text": "alpha"}, "passages": [{"text": LONG}], "truncate": "END"},
}


@pytest.fixture(scope="module")
def several(fleet, tmp_path_factory):
    """A server with two fake models, of which the second reads 16 tokens and splits what is longer."""
    path = tmp_path_factory.mktemp("list") / "models.toml"
    path.write_text(LIST)
    return fleet("several", engine="fake", models=path, access_log=True)


@pytest.fixture
def models(several):
    with ContractClient(several.url) as client:
        yield client


@pytest.fixture
def documents(several):
    """How many documents each model has answered since the test began."""
    before = Scrape(several.url)

    def since():
        after, name = Scrape(several.url), "rerank_documents_total"
        return {model: after(name, model=model) - before(name, model=model) for model in ("wide", "narrow")}

    return since


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("asked", "answers"),
    [("narrow", "narrow"), ("rerank-v3.5", "wide"), ("nobody", "wide")],
)
def test_a_request_chooses_in_every_dialect(models, documents, path, asked, answers):
    """By a name or an alias; any other name gets the first of the list."""
    answer = models.post(path, json=BODIES[path] | {"model": asked})
    assert answer.status_code == 200
    assert answer.json().get("model", answers) == answers
    assert documents() == {"wide": 0, "narrow": 0} | {answers: 1}


def test_who_names_none_of_several_is_told(models):
    """A mistyped name would be answered in silence by another model than was meant."""
    asked = {"query": "alpha", "documents": ["alpha", "beta"]}

    def told(body, path="/rerank"):
        return ["no such name is served" in warning for warning in models.post(path, json=body).json()["warnings"]]

    assert [told(asked | {"model": name}) for name in ("narow", "narrow", "wide")] == [[True], [], []]
    assert told(asked) == []
    batch = models.post("/rerank/batch", json=[asked, asked | {"model": "narow"}]).json()
    assert [len(answer["warnings"]) for answer in batch] == [0, 1]
    scored = models.post("/score", json={"text_1": "a", "text_2": ["b"], "model": "narow"})
    assert "no such name" in scored.headers["x-warnings"]


def test_texts_without_a_model_get_the_default(models, documents):
    """TEI's body has no such field."""
    models.post("/rerank", json={"query": "alpha", "texts": [LONG]})
    assert documents() == {"wide": 1, "narrow": 0}


def test_a_model_in_the_path_chooses_too(models, documents):
    """As NVIDIA's clients write it; a name in the body is nearer."""
    body = BODIES["/v1/ranking"]
    models.post("/v1/retrieval/narrow/reranking", json=body)
    models.post("/v1/retrieval/narrow/reranking", json=body | {"model": "wide"})
    assert documents() == {"wide": 1, "narrow": 1}


def test_scores_of_pairs_are_the_chosen_models(models):
    """`/score` names it, and reads as far as it does."""
    body = {"text_1": "gamma", "text_2": LONG, "truncate_prompt_tokens": -1}
    wide, narrow = (models.post("/score", json=body | {"model": name}).json() for name in ("wide", "narrow"))
    assert (wide["model"], narrow["model"]) == ("wide", "narrow")
    assert wide["usage"]["prompt_tokens"] == 22
    assert narrow["usage"]["prompt_tokens"] == 16


def test_a_document_is_read_as_its_model_reads(models):
    """The window and what happens beyond it are each model's own; a request has the last word."""
    wide = models.rerank("alpha", [LONG], model="wide").json()["results"][0]
    narrow = models.rerank("alpha", [LONG], model="narrow").json()["results"][0]
    cut = models.rerank("alpha", [LONG], model="narrow", overflow="truncate").json()["results"][0]
    assert (wide["truncated"], wide.get("span")) == (False, None)
    assert narrow["span"] is not None
    assert (cut["truncated"], cut.get("span")) == (True, None)


def test_a_batch_may_ask_each_of_them(models, documents):
    """Every answer in its place, with its model."""
    body = [{"query": "alpha", "documents": ["beta"], "model": name} for name in ("narrow", "wide", "narrow")]
    assert [answer["model"] for answer in models.post("/rerank/batch", json=body).json()] == [
        "narrow",
        "wide",
        "narrow",
    ]
    assert documents() == {"wide": 1, "narrow": 2}


def test_remembered_scores_are_one_models_own(models):
    """The same texts, asked of the other, are read by it."""
    texts = [f"only here {LONG} {number}" for number in range(3)]

    def cached(model):
        return models.rerank("alpha", texts, model=model, overflow="truncate").json()["usage"]["cached_pairs"]

    assert [cached(model) for model in ("wide", "narrow", "wide", "narrow")] == [0, 0, 3, 3]


def test_all_are_told_the_default_first(models):
    """On the routes where clients ask what there is."""
    assert models.get("/").json()["models"] == ["wide", "narrow"]
    wide, narrow = models.get("/v1/models").json()["data"]
    assert (wide["id"], wide["is_default"], wide["aliases"]) == ("wide", True, ["rerank-v3.5", "team/wide"])
    assert (narrow["id"], narrow["is_default"], narrow["aliases"]) == ("narrow", False, [])
    assert models.get("/v1/models/narrow").json()["id"] == "narrow"
    assert models.get("/v1/models/team/wide").json()["id"] == "wide"
    info = models.get("/info").json()
    assert (info["model_id"], info["max_input_length"], info["auto_truncate"]) == ("wide", 512, True)
    assert [(model["name"], model["max_tokens"], model["overflow"]) for model in info["models"]] == [
        ("wide", 512, "truncate"),
        ("narrow", 16, "chunk"),
    ]


def test_names_in_metrics_come_from_the_list(models, several):
    """Whatever requests call a model. Each has its own series, of what it read too."""
    models.rerank("alpha", ["beta"], model="some-name-nobody-has")
    models.rerank("alpha", ["one", "two"], model="narrow")
    scrape = settled_scrape(several.url)
    named = {dict(labels)["model"] for _, labels in scrape.series if "model" in dict(labels)}
    assert named == {"wide", "narrow"}
    for metric in ("rerank_tokens_total", "rerank_batch_tokens_count", "rerank_phase_duration_seconds_count"):
        assert scrape(metric, model="narrow") > 0
        assert scrape(metric, model="wide") > 0


def test_a_log_line_names_the_model_that_answered(models, several):
    """Not the default, nor what the caller called it."""
    for name in ("narrow", "rerank-v3.5"):
        models.rerank("alpha", ["beta"], model=name, headers={"x-request-id": f"log-{name}"})
    wait_until(lambda: "log-rerank-v3.5" in several.log, within_s=5)
    lines = {
        name: next(line for line in several.log.splitlines() if f"log-{name}" in line)
        for name in ("narrow", "rerank-v3.5")
    }
    assert "narrow" in lines["narrow"].replace("log-narrow", "")
    assert "wide" in lines["rerank-v3.5"]


@pytest.mark.slow
def test_the_shipped_model_beside_a_small_random_one(tmp_path):
    """Real engines, strict names: each scores as it does alone, and a name that is not there is told those that are."""
    tiny_models().build_bert(tmp_path / "tiny")
    (tmp_path / "models.toml").write_text(
        f'[[models]]\nname = "starter"\n[[models]]\nname = "tiny"\nsource = "{tmp_path / "tiny"}"\nprecision = "f32"\n'
    )
    texts = ["The tower is 300 metres high.", "Bread dough rises faster in a warm kitchen."]
    options = EngineOptions(model=str(tmp_path / "tiny"), precision=Precision.F32, cache_dir=tmp_path / "cache")
    engine = load_engine(options)
    alone = engine.forward(engine.encode([Pair("bread", text) for text in texts])).tolist()
    with (
        running_server(tmp_path / "home", models=tmp_path / "models.toml", strict_model=True) as server,
        ContractClient(server.url) as client,
    ):

        def logits(model):
            answer = client.rerank("bread", texts, model=model, score_mode="logit").json()
            return [item["score"] for item in sorted(answer["results"], key=lambda item: item["index"])]

        assert logits("tiny") == pytest.approx(alone, abs=1e-4)
        starter = logits("starter")
        assert starter[1] > starter[0] + 1
        refused = client.rerank("bread", texts, model="other")
        assert refused.status_code == 404
        assert refused.json()["code"] == "model_not_found"
        assert refused.json()["message"] == "model: not served here; there are starter, tiny"


@pytest.mark.slow
def test_one_model_that_fails_makes_the_service_unready_until_it_answers_again(tmp_path):
    """Though the other answers all the while."""
    models = "good=x,bad=y"
    with (
        running_server(tmp_path, engine="fake", cache=False, models=models) as server,
        ContractClient(server.url) as client,
    ):
        client.rerank("alpha", ["[[down]]"], model="bad")
        for _ in range(5):
            client.rerank("alpha", ["beta"], model="bad")
        wait_until(lambda: not server.is_ready(), within_s=3)
        assert client.rerank("alpha", ["beta"], model="good").status_code == 200
        assert client.get("/health").json()["message"] == "not answering: bad"
        server.wait_until_ready(within_s=15)
        assert client.rerank("alpha", ["beta"], model="bad").status_code == 200


def test_a_list_that_cannot_be_served_ends_the_start_in_a_sentence(tmp_path):
    """It names the entry; what would work is not served alone."""
    ended = run_command(tmp_path, "serve", models="starter,gone=/no/such/folder", port=free_port())
    assert ended.returncode != 0
    assert "model gone: the model setting names a folder that does not exist" in " ".join(ended.stdout.split())
