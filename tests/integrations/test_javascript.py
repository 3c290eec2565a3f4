"""Clients written in JavaScript, each run by Node through `javascript/rerank.mjs`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from client_session import PACKAGES
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases

WITHIN_S = 30


def _run(client, service, query, passages, top_n):
    task = {"url": service.url, "key": service.key, "query": query, "passages": list(passages), "topN": top_n}
    # JSON.stringify leaves out what is undefined; so does this.
    sent = json.dumps({name: value for name, value in task.items() if value is not None})
    command = [Path(sys.executable).with_name("node"), "rerank.mjs", client]
    run = subprocess.run(
        command, cwd=PACKAGES, input=sent, capture_output=True, text=True, timeout=WITHIN_S, check=True
    )
    said = json.loads(run.stdout.splitlines()[-1])
    if "error" in said:
        raise type(said["error"]["name"], (Exception,), {})(said["error"]["text"])
    return [(passage, score) for passage, score in said["ranked"]]


def _client(name, for_blank_query, for_wrong_key, *, distribution=None):
    def rerank(service, query, passages, top_n):
        return _run(name, service, query, passages, top_n)

    rerank.__name__ = name.rpartition(" ")[2]
    package = distribution or name
    return PublishedClient(f"npm:{package}", rerank, Raised(*for_blank_query), Raised(*for_wrong_key))


CLIENTS = [
    _client(
        "cohere-ai v1", ("BadRequestError", BLANK_MESSAGE), ("UnauthorizedError", KEY_MESSAGE), distribution="cohere-ai"
    ),
    _client(
        "cohere-ai v2", ("BadRequestError", BLANK_MESSAGE), ("UnauthorizedError", KEY_MESSAGE), distribution="cohere-ai"
    ),
    _client("@langchain/cohere", ("BadRequestError", BLANK_MESSAGE), ("UnauthorizedError", KEY_MESSAGE)),
    _client("@ai-sdk/cohere", ("AI_APICallError", BLANK_MESSAGE), ("AI_APICallError", KEY_MESSAGE)),
    _client("@ai-sdk/togetherai", ("AI_APICallError", BLANK_MESSAGE), ("AI_APICallError", KEY_MESSAGE)),
    _client("@ai-sdk/voyage", ("AI_APICallError", BLANK_MESSAGE), ("AI_APICallError", KEY_MESSAGE)),
    _client("voyage-ai-provider", ("AI_APICallError", BLANK_MESSAGE), ("AI_APICallError", KEY_MESSAGE)),
    _client("voyageai", ("VoyageAIError", BLANK_MESSAGE), ("VoyageAIError", KEY_MESSAGE)),
    _client("@mixedbread/sdk", ("Error", BLANK_MESSAGE), ("Error", KEY_MESSAGE)),
    _client("@langchain/mixedbread-ai", ("Error", BLANK_MESSAGE), ("Error", KEY_MESSAGE)),
]


class TestReranking(RerankingCases):
    """Each of them ranks."""

    def test_without_a_limit_everything_comes_back(self, client, service):
        """Nothing then tells Voyage's clients from others: the answer has what each of them reads."""
        ranked = client.rerank(service, QUERY, PASSAGES, None)
        assert ranked[0][0] == ANSWER
        assert sorted(passage for passage, _ in ranked) == sorted(PASSAGES)


@pytest.mark.client("npm:voyageai")
def test_the_prefix_of_an_api_is_taken(service):
    """`/voyage` decides; its client appends its own path to it."""
    prefixed = service._replace(url=f"{service.url}/voyage")
    assert _run("voyageai", prefixed, QUERY, PASSAGES, None)[0][0] == ANSWER
