"""Infinity's client, at the root and under `/infinity`, and LangChain's compressor over it."""

import asyncio

import pytest
from frameworks import through_langchain
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases

MODEL = "BAAI/bge-reranker-base"
PREFIXES = ["", "/infinity"]


def _client(service, prefix=""):
    from infinity_client import AuthenticatedClient

    return AuthenticatedClient(base_url=service.url + prefix, token=service.key, raise_on_unexpected_status=True)


def _body(query, passages, **options):
    from infinity_client.models import RerankInput

    return RerankInput(query=query, documents=list(passages), model=MODEL, **options)


def _mapped(answer, passages):
    return [(passages[result.index], result.relevance_score) for result in answer.results]


def sync(service, query, passages, top_n):
    from infinity_client.api.default import rerank

    return _mapped(rerank.sync(client=_client(service), body=_body(query, passages, top_n=top_n)), passages)


def asynchronous(service, query, passages, top_n):
    from infinity_client.api.default import rerank

    answer = asyncio.run(rerank.asyncio(client=_client(service), body=_body(query, passages, top_n=top_n)))
    return _mapped(answer, passages)


def under_its_prefix(service, query, passages, top_n):
    from infinity_client.api.default import rerank

    client = _client(service, "/infinity")
    return _mapped(rerank.sync(client=client, body=_body(query, passages, top_n=top_n)), passages)


def langchain(service, query, passages, top_n):
    from infinity_client import Client
    from langchain_community.document_compressors import InfinityRerank

    # It takes no AuthenticatedClient, which is none of Client's subclasses.
    client = Client(
        base_url=service.url,
        headers={"Authorization": f"Bearer {service.key}"},
        raise_on_unexpected_status=True,
    )
    compressor = InfinityRerank(client=client, model=MODEL, top_n=top_n)
    return through_langchain(compressor, query, passages)


CLIENTS = [
    PublishedClient(
        distribution,
        rerank,
        for_blank_query=Raised("UnexpectedStatus", BLANK_MESSAGE),
        for_wrong_key=Raised("UnexpectedStatus", KEY_MESSAGE),
    )
    for distribution, rerank in [
        ("infinity_client", sync),
        ("infinity_client", asynchronous),
        ("infinity_client", under_its_prefix),
        ("langchain-community", langchain),
    ]
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


@pytest.mark.client("infinity_client")
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_answer_says_what_it_cost(service, prefix):
    """The client insists on the model and on both counts of tokens."""
    from infinity_client.api.default import rerank

    answer = rerank.sync(client=_client(service, prefix), body=_body(QUERY, PASSAGES))
    assert answer.model
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    assert len(answer.results) == len(PASSAGES)


@pytest.mark.client("infinity_client")
def test_documents_are_texts_under_the_prefix(service):
    """As Infinity's own answers have them; at the root they are Cohere's objects."""
    from infinity_client.api.default import rerank

    for prefix, echoed in [("/infinity", ANSWER), ("", {"text": ANSWER})]:
        body = _body(QUERY, PASSAGES, return_documents=True, top_n=1)
        (result,) = rerank.sync(client=_client(service, prefix), body=body).results
        assert result.document == echoed


@pytest.mark.client("infinity_client")
@pytest.mark.parametrize("prefix", PREFIXES)
def test_logits_come_back_when_asked_for(service, prefix):
    """Raw scores of what does not answer are below zero, which no probability is."""
    from infinity_client.api.default import rerank

    answer = rerank.sync(client=_client(service, prefix), body=_body(QUERY, PASSAGES, raw_scores=True))
    assert answer.results[-1].relevance_score < 0


@pytest.mark.client("infinity_client")
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_model_is_listed(service, prefix):
    """With the owner that the client insists on, and its ability."""
    from infinity_client.api.default import models

    (model,) = models.sync(client=_client(service, prefix)).data
    assert model.owned_by == "infinity"
    assert "rerank" in model.capabilities


@pytest.mark.client("infinity_client")
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_probe_answers(service, prefix):
    """Without a key."""
    from infinity_client import Client
    from infinity_client.api.default import health

    assert health.sync_detailed(client=Client(base_url=service.url + prefix)).status_code == 200


@pytest.mark.client("langchain-community")
def test_langchain_may_name_no_model(service):
    """The name is sent as null then."""
    from infinity_client import Client
    from langchain_community.document_compressors import InfinityRerank

    client = Client(base_url=service.url, headers={"Authorization": f"Bearer {service.key}"})
    ranked = InfinityRerank(client=client).rerank(PASSAGES, QUERY)
    assert ranked[0]["index"] == PASSAGES.index(ANSWER)
