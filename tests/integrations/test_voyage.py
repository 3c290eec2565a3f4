"""Voyage's SDK, and what LangChain and LlamaIndex build on it."""

import asyncio

import pytest
from frameworks import through_langchain, through_llama_index
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases

MODEL = "rerank-2.5"


def _base_url(service):
    return f"{service.url}/v1"


def sync(service, query, passages, top_n):
    import voyageai

    client = voyageai.Client(api_key=service.key, base_url=_base_url(service))
    answer = client.rerank(query, list(passages), MODEL, top_k=top_n)
    return [(result.document, result.relevance_score) for result in answer.results]


def asynchronous(service, query, passages, top_n):
    import voyageai

    client = voyageai.AsyncClient(api_key=service.key, base_url=_base_url(service))
    answer = asyncio.run(client.rerank(query, list(passages), MODEL, top_k=top_n))
    return [(result.document, result.relevance_score) for result in answer.results]


def _langchain_compressor(service, top_n):
    from langchain_voyageai import VoyageAIRerank

    return VoyageAIRerank(model=MODEL, api_key=service.key, base_url=_base_url(service), top_k=top_n)


def langchain(service, query, passages, top_n):
    return through_langchain(_langchain_compressor(service, top_n), query, passages)


def langchain_async(service, query, passages, top_n):
    return through_langchain(_langchain_compressor(service, top_n), query, passages, is_async=True)


def llama_index(service, query, passages, top_n):
    import voyageai
    from llama_index.postprocessor.voyageai_rerank import VoyageAIRerank

    postprocessor = VoyageAIRerank(model=MODEL, api_key=service.key, top_n=top_n)
    # It has no setting for the address.
    postprocessor._client = voyageai.Client(api_key=service.key, base_url=_base_url(service))
    return through_llama_index(postprocessor, query, passages)


CLIENTS = [
    PublishedClient(
        distribution,
        rerank,
        for_blank_query=Raised("InvalidRequestError", BLANK_MESSAGE),
        for_wrong_key=Raised("AuthenticationError", KEY_MESSAGE),
    )
    for distribution, rerank in [
        ("voyageai", sync),
        ("voyageai", asynchronous),
        ("langchain-voyageai", langchain),
        ("langchain-voyageai", langchain_async),
        ("llama-index-postprocessor-voyageai-rerank", llama_index),
    ]
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


@pytest.mark.client("voyageai")
def test_all_documents_come_back_without_a_limit(service):
    """The limit is null then, which still is Voyage's dialect."""
    import voyageai

    client = voyageai.Client(api_key=service.key, base_url=_base_url(service))
    answer = client.rerank(QUERY, list(PASSAGES), MODEL)
    assert next(result.document for result in answer.results) == ANSWER
    assert len(answer.results) == len(PASSAGES)
    assert answer.total_tokens > 0


@pytest.mark.client("voyageai")
def test_without_truncation_a_long_document_is_refused(service):
    """As Voyage does; with truncation, the default, it is cut and ranked."""
    import voyageai

    client = voyageai.Client(api_key=service.key, base_url=_base_url(service))
    long_passages = [ANSWER, "two eggs and a cup of flour " * 200]
    assert len(client.rerank(QUERY, long_passages, MODEL).results) == len(long_passages)
    with pytest.raises(voyageai.error.InvalidRequestError, match="documents"):
        client.rerank(QUERY, long_passages, MODEL, truncation=False)


@pytest.mark.client("langchain-voyageai")
def test_langchain_shows_the_tokens(service):
    """Each document carries what the request cost."""
    from langchain_core.documents import Document

    documents = [Document(passage) for passage in PASSAGES]
    ranked = _langchain_compressor(service, None).compress_documents(documents, QUERY)
    assert len(ranked) == len(PASSAGES)
    assert all(document.metadata["total_tokens"] > 0 for document in ranked)
