"""Mixedbread's SDK, and LlamaIndex's package over it."""

import asyncio
import os
from unittest.mock import patch

import pytest
from frameworks import through_llama_index
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases

MODEL = "mixedbread-ai/mxbai-rerank-large-v1"


def _mapped(answer, passages):
    return [(passages[result.index], result.score) for result in answer.data]


def sync(service, query, passages, top_n):
    from mixedbread import Mixedbread

    with Mixedbread(api_key=service.key, base_url=service.url) as client:
        return _mapped(client.rerank(model=MODEL, query=query, input=passages, top_k=top_n), passages)


def asynchronous(service, query, passages, top_n):
    from mixedbread import AsyncMixedbread

    async def rerank():
        async with AsyncMixedbread(api_key=service.key, base_url=service.url) as client:
            return await client.rerank(model=MODEL, query=query, input=passages, top_k=top_n)

    return _mapped(asyncio.run(rerank()), passages)


def llama_index(service, query, passages, top_n):
    from llama_index.postprocessor.mixedbreadai_rerank import MixedbreadAIRerank

    # It has no setting for the address, but the SDK under it has.
    with patch.dict(os.environ, {"MIXEDBREAD_BASE_URL": service.url}):
        postprocessor = MixedbreadAIRerank(model=MODEL, api_key=service.key, top_n=top_n)
    return through_llama_index(postprocessor, query, passages)


CLIENTS = [
    PublishedClient(
        distribution,
        rerank,
        for_blank_query=Raised("BadRequestError", BLANK_MESSAGE),
        for_wrong_key=Raised("AuthenticationError", KEY_MESSAGE),
    )
    for distribution, rerank in [
        ("mixedbread", sync),
        ("mixedbread", asynchronous),
        ("llama-index-postprocessor-mixedbreadai-rerank", llama_index),
    ]
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


@pytest.mark.client("mixedbread")
def test_documents_come_back_when_asked_for(service):
    """And not otherwise."""
    from mixedbread import Mixedbread

    with Mixedbread(api_key=service.key, base_url=service.url) as client:
        echoed = client.rerank(model=MODEL, query=QUERY, input=PASSAGES, top_k=2, return_input=True)
        plain = client.rerank(model=MODEL, query=QUERY, input=PASSAGES)
    assert echoed.data[0].input == ANSWER
    assert echoed.return_input
    assert echoed.top_k == 2
    assert [result.input for result in plain.data] == [None] * len(PASSAGES)


@pytest.mark.client("mixedbread")
def test_the_answer_says_what_it_cost(service):
    """Model and tokens."""
    from mixedbread import Mixedbread

    with Mixedbread(api_key=service.key, base_url=service.url) as client:
        answer = client.rerank(query=QUERY, input=PASSAGES)
    assert answer.model
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


@pytest.mark.client("mixedbread")
def test_objects_rank_by_the_fields_named(service):
    """The answer counts where `rank_fields` has its field, and not where it does not."""
    from mixedbread import Mixedbread

    documents = [{"title": "a recipe", "body": ANSWER}, {"title": ANSWER, "body": "two eggs and a cup of flour"}]
    with Mixedbread(api_key=service.key, base_url=service.url) as client:
        for field, best in [("body", 0), ("title", 1)]:
            answer = client.rerank(model=MODEL, query=QUERY, input=documents, rank_fields=[field])
            assert answer.data[0].index == best
