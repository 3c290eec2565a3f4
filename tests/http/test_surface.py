"""What the service shows and takes that it need not: no pickles, no name of its software."""

import os
import pickle

import httpx2
import psutil
import pytest

POSTS = ["/rerank", "/rerank/batch", "/v1/rerank", "/v2/rerank", "/score", "/v1/ranking", "/bentoml/score"]


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self._mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self._mark),)


@pytest.mark.parametrize("kind", ["application/vnd.bentoml+pickle", "application/octet-stream", "application/json"])
@pytest.mark.parametrize("path", POSTS)
def test_no_route_takes_pickles(service, tmp_path, path, kind):
    """Whatever they are called, and however they ask to be read."""
    mark = tmp_path / "ran"
    headers = {"content-type": kind, "bento-name": "bentorank", "payload-container": "DefaultContainer"}
    refused = httpx2.post(service.url + path, content=pickle.dumps(Bomb(mark)), headers=headers)
    assert refused.status_code == (400 if kind == "application/json" else 415)
    assert not mark.exists()


@pytest.mark.parametrize("path", ["/", "/health", "/livez", "/metrics", "/docs", "/openapi.json", "/nowhere"])
def test_answers_do_not_name_the_software_under_them(client, path):
    """Its name and version would only help who looks for a hole in it."""
    headers = client.get(path).headers
    assert not {"server", "x-powered-by", "x-bentoml-request-id", "via"} & set(headers)


@pytest.mark.parametrize(
    "text", ["a" + "\u0301" * 99, "\u202e\u05d0\u05d1 ", "\u200b", "\U0001f468\u200d\U0001f469\ufe0f", "\U000e0100"]
)
def test_a_megabyte_of_odd_characters_is_refused_at_once(service, text):
    """Before it is tokenised: in little processor time."""
    document = (text * 1_000_000)[:1_000_000]
    worker = psutil.Process(service.worker_pids[0])

    def cpu_s():
        return sum(worker.cpu_times()[:2])

    before = cpu_s()
    refused = httpx2.post(f"{service.url}/rerank", json={"query": "alpha", "documents": ["beta", document]}, timeout=30)
    spent = cpu_s() - before
    assert spent < 0.1
    assert refused.status_code == 413
    assert refused.json()["message"].startswith("documents[1]: 1000000 characters, more than the limit of 200000")
