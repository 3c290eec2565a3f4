"""Cohere's SDK, version 1 and 2 of its API, and what LangChain, LlamaIndex and Haystack build on it."""

import asyncio
import inspect

import pytest
from frameworks import through_haystack, through_langchain, through_llama_index
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases

MODEL = "rerank-v3.5"


def _mapped(answer, passages):
    return [(passages[result.index], result.relevance_score) for result in answer.results]


def v1(service, query, passages, top_n):
    import cohere

    client = cohere.Client(api_key=service.key, base_url=service.url)
    return _mapped(client.rerank(model=MODEL, query=query, documents=passages, top_n=top_n), passages)


def v1_async(service, query, passages, top_n):
    import cohere

    async def rerank():
        client = cohere.AsyncClient(api_key=service.key, base_url=service.url)
        return await client.rerank(model=MODEL, query=query, documents=passages, top_n=top_n)

    return _mapped(asyncio.run(rerank()), passages)


def v2(service, query, passages, top_n):
    import cohere

    client = cohere.ClientV2(api_key=service.key, base_url=service.url)
    return _mapped(client.rerank(model=MODEL, query=query, documents=passages, top_n=top_n), passages)


def v2_async(service, query, passages, top_n):
    import cohere

    async def rerank():
        client = cohere.AsyncClientV2(api_key=service.key, base_url=service.url)
        return await client.rerank(model=MODEL, query=query, documents=passages, top_n=top_n)

    return _mapped(asyncio.run(rerank()), passages)


def langchain(service, query, passages, top_n):
    from langchain_cohere import CohereRerank

    compressor = CohereRerank(model=MODEL, cohere_api_key=service.key, base_url=service.url, top_n=top_n)
    return through_langchain(compressor, query, passages)


def llama_index(service, query, passages, top_n):
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    postprocessor = CohereRerank(model=MODEL, api_key=service.key, base_url=service.url, top_n=top_n)
    return through_llama_index(postprocessor, query, passages)


def _haystack_ranker(service, top_n):
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.cohere import CohereRanker

    return CohereRanker(model=MODEL, api_key=Secret.from_token(service.key), api_base_url=service.url, top_k=top_n)


def haystack(service, query, passages, top_n):
    return through_haystack(_haystack_ranker(service, top_n), query, passages)


def haystack_async(service, query, passages, top_n):
    return through_haystack(_haystack_ranker(service, top_n), query, passages, is_async=True)


CLIENTS = [
    PublishedClient(
        distribution,
        rerank,
        for_blank_query=Raised("BadRequestError", BLANK_MESSAGE),
        for_wrong_key=Raised("UnauthorizedError", KEY_MESSAGE),
    )
    for distribution, rerank in [
        ("cohere", v1),
        ("cohere", v1_async),
        ("cohere", v2),
        ("cohere", v2_async),
        ("langchain-cohere", langchain),
        ("llama-index-postprocessor-cohere-rerank", llama_index),
        ("cohere-haystack", haystack),
        ("cohere-haystack", haystack_async),
    ]
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


def _v1_client(service):
    import cohere

    return cohere.Client(api_key=service.key, base_url=service.url)


@pytest.mark.client("cohere")
def test_v1_echoes_documents_unless_told_not_to(service):
    """Each result carries the text of its document, by default too: Jina's clients send the same, and expect it."""
    client = _v1_client(service)
    for wish in ({"return_documents": True}, {}):
        echoed = client.rerank(model=MODEL, query=QUERY, documents=PASSAGES, **wish).results
        assert [result.document.text for result in echoed] == [PASSAGES[result.index] for result in echoed]
    plain = client.rerank(model=MODEL, query=QUERY, documents=PASSAGES, return_documents=False).results
    assert [result.document for result in plain] == [None] * len(PASSAGES)


@pytest.mark.client("cohere")
def test_v1_ranks_objects_by_the_fields_named(service):
    """The answer counts where `rank_fields` has its field, and not where it does not."""
    documents = [{"title": "a recipe", "body": ANSWER}, {"title": ANSWER, "body": "two eggs and a cup of flour"}]
    client = _v1_client(service)
    for field, best in [("body", 0), ("title", 1)]:
        answer = client.rerank(model=MODEL, query=QUERY, documents=documents, rank_fields=[field])
        assert answer.results[0].index == best


@pytest.mark.client("cohere")
@pytest.mark.parametrize("version", ["Client", "ClientV2"])
def test_the_answer_says_what_it_cost(service, version):
    """One search, in the units that Cohere bills."""
    import cohere

    client = getattr(cohere, version)(api_key=service.key, base_url=service.url)
    answer = client.rerank(model=MODEL, query=QUERY, documents=PASSAGES)
    assert answer.id
    assert answer.meta.api_version.version
    assert answer.meta.billed_units.search_units == 1


@pytest.mark.client("cohere")
def test_v2_cuts_documents_where_told(service):
    """An answer beyond `max_tokens_per_doc` does not count."""
    import cohere

    client = cohere.ClientV2(api_key=service.key, base_url=service.url)
    documents = ["The recipe asks for two eggs and a cup of flour. " * 4 + ANSWER, PASSAGES[0]]
    whole, cut = (
        client.rerank(model=MODEL, query=QUERY, documents=documents, max_tokens_per_doc=limit).results
        for limit in (4096, 20)
    )
    assert next(result.relevance_score for result in whole if result.index == 0) > next(
        result.relevance_score for result in cut if result.index == 0
    )


@pytest.mark.client("cohere")
def test_v2_shows_which_part_of_a_long_document_answers(service):
    """The best span is where the answer stands, beyond the model's window; offsets count characters, not bytes."""
    import cohere

    client = cohere.ClientV2(api_key=service.key, base_url=service.url)
    if "relevant_spans" not in inspect.signature(client.rerank).parameters:
        pytest.skip("this version knows no relevant spans")
    filling = "Das Rezept verlangt zwei Eier und Öl. " * 100
    document = filling + ANSWER + filling
    # So much of another language leaves the answer a score below Cohere's least for a span, which is .1.
    spans = {"mode": "enabled", "threshold": 0}
    answer = client.rerank(
        model=MODEL, query=QUERY, documents=[document, PASSAGES[0]], relevant_spans=spans, priority=1
    )
    assert answer.results[0].index == 0
    best = answer.results[0].relevant_spans[0]
    assert "Mount Everest" in document[best.start : best.end]


@pytest.mark.client("langchain-cohere")
def test_langchain_gets_all_documents_without_a_limit(service):
    """`top_n=None` is sent as null, which is no limit."""
    from langchain_cohere import CohereRerank

    compressor = CohereRerank(model=MODEL, cohere_api_key=service.key, base_url=service.url, top_n=1)
    ranked = compressor.rerank(PASSAGES, QUERY, top_n=None)
    assert next(result["index"] for result in ranked) == PASSAGES.index(ANSWER)
    assert len(ranked) == len(PASSAGES)
