"""Xinference's client, and LlamaIndex's package for the same API."""

import asyncio

import pytest
from frameworks import through_llama_index
from published import (
    ANSWER,
    BLANK_MESSAGE,
    KEY_MESSAGE,
    PASSAGES,
    QUERY,
    SERVED_MODEL,
    PublishedClient,
    Raised,
    RerankingCases,
)


def _mapped(answer, passages):
    return [(passages[result["index"]], result["relevance_score"]) for result in answer["results"]]


def _model(service):
    from xinference_client import RESTfulClient

    # Asks first whether the cluster wants keys, and sends none unless it does.
    return RESTfulClient(service.url, api_key=service.key).get_model(SERVED_MODEL)


def sync(service, query, passages, top_n):
    return _mapped(_model(service).rerank(passages, query, top_n=top_n), passages)


def asynchronous(service, query, passages, top_n):
    from xinference_client import AsyncRESTfulClient

    async def rerank():
        client = AsyncRESTfulClient(service.url, api_key=service.key)
        try:
            model = await client.get_model(SERVED_MODEL)
            try:
                return await model.rerank(passages, query, top_n=top_n)
            finally:
                await model.close()
        finally:
            await client.close()

    return _mapped(asyncio.run(rerank()), passages)


def llama_index(service, query, passages, top_n):
    from llama_index.postprocessor.xinference_rerank import XinferenceRerank

    postprocessor = XinferenceRerank(model=SERVED_MODEL, base_url=service.url, top_n=top_n)
    return through_llama_index(postprocessor, query, passages)


CLIENTS = [
    *(
        PublishedClient(
            "xinference-client",
            rerank,
            for_blank_query=Raised("RuntimeError", BLANK_MESSAGE),
            # It asks for the model first.
            for_wrong_key=Raised("RuntimeError", KEY_MESSAGE),
        )
        for rerank in (sync, asynchronous)
    ),
    PublishedClient(
        "llama-index-postprocessor-xinference-rerank",
        llama_index,
        for_blank_query=Raised("Exception", BLANK_MESSAGE),
        for_wrong_key=Raised("Exception", "an API key is required"),
        is_keyless=True,
    ),
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


@pytest.mark.client("xinference-client")
def test_documents_come_back_when_asked_for(service):
    """And all of them, told no limit."""
    answer = _model(service).rerank(PASSAGES, QUERY, return_documents=True)
    assert answer["results"][0]["document"]["text"] == ANSWER
    assert len(answer["results"]) == len(PASSAGES)


@pytest.mark.client("xinference-client")
def test_the_answer_says_what_it_cost_when_asked(service):
    """`return_len` is Xinference's wish for it."""
    answer = _model(service).rerank(PASSAGES, QUERY, return_len=True)
    assert answer["meta"]["tokens"]["input_tokens"] > 0


@pytest.mark.client("xinference-client")
def test_the_model_is_listed(service):
    """Under the name that it is fetched by."""
    from xinference_client import RESTfulClient

    client = RESTfulClient(service.url, api_key=service.key)
    assert SERVED_MODEL in client.list_models()
