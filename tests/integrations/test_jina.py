"""Clients of Jina's API, and of vLLM's, which is like it: LangChain's, LlamaIndex's and Haystack's."""

from unittest.mock import patch

import pytest
from frameworks import through_haystack, through_langchain, through_llama_index
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases

MODEL = "jina-reranker-v2-base-multilingual"


def langchain(service, query, passages, top_n):
    from langchain_community.document_compressors import JinaRerank, jina_rerank

    compressor = JinaRerank(model=MODEL, jina_api_key=service.key, top_n=top_n)
    # It has no setting for the address.
    with patch.object(jina_rerank, "JINA_API_URL", f"{service.url}/v1/rerank"):
        return through_langchain(compressor, query, passages)


def llama_index(service, query, passages, top_n):
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    postprocessor = JinaRerank(model=MODEL, api_key=service.key, base_url=f"{service.url}/v1", top_n=top_n)
    return through_llama_index(postprocessor, query, passages)


def _jina_ranker(service, top_n=None):
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.jina import JinaRanker

    return JinaRanker(
        model=MODEL, api_key=Secret.from_token(service.key), base_url=f"{service.url}/v1/rerank", top_k=top_n
    )


def _vllm_ranker(service, top_n=None, prefix="/v1"):
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.vllm import VLLMRanker

    return VLLMRanker(
        model=MODEL, api_key=Secret.from_token(service.key), api_base_url=service.url + prefix, top_k=top_n
    )


def _run(ranker, query, passages):
    from haystack import Document

    return ranker.run(query=query, documents=[Document(content=passage) for passage in passages])


def haystack(service, query, passages, top_n):
    return through_haystack(_jina_ranker(service, top_n), query, passages)


def haystack_async(service, query, passages, top_n):
    return through_haystack(_jina_ranker(service, top_n), query, passages, is_async=True)


def haystack_vllm(service, query, passages, top_n):
    return through_haystack(_vllm_ranker(service, top_n), query, passages)


def haystack_vllm_async(service, query, passages, top_n):
    return through_haystack(_vllm_ranker(service, top_n), query, passages, is_async=True)


def haystack_vllm_at_the_root(service, query, passages, top_n):
    return through_haystack(_vllm_ranker(service, top_n, prefix=""), query, passages)


CLIENTS = [
    PublishedClient(
        distribution,
        rerank,
        for_blank_query=Raised("RuntimeError", BLANK_MESSAGE),
        for_wrong_key=Raised("RuntimeError", KEY_MESSAGE),
    )
    for distribution, rerank in [
        ("langchain-community", langchain),
        ("llama-index-postprocessor-jinaai-rerank", llama_index),
        ("jina-haystack", haystack),
        ("jina-haystack", haystack_async),
        ("vllm-haystack", haystack_vllm),
        ("vllm-haystack", haystack_vllm_async),
        ("vllm-haystack", haystack_vllm_at_the_root),
    ]
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


@pytest.mark.parametrize(
    "make_ranker",
    [
        pytest.param(_jina_ranker, marks=pytest.mark.client("jina-haystack"), id="jina"),
        pytest.param(_vllm_ranker, marks=pytest.mark.client("vllm-haystack"), id="vllm"),
    ],
)
def test_haystack_shows_the_model_and_the_tokens(service, make_ranker):
    """And all documents, told no limit."""
    answer = _run(make_ranker(service), QUERY, PASSAGES)
    assert answer["documents"][0].content == ANSWER
    assert len(answer["documents"]) == len(PASSAGES)
    assert answer["meta"]["model"]
    assert answer["meta"]["usage"]["total_tokens"] > 0


@pytest.mark.client("langchain-community")
def test_langchain_passes_objects_on(service):
    """Documents may be objects with a text, and `top_n=None` is sent as null, which is no limit."""
    from langchain_community.document_compressors import JinaRerank, jina_rerank

    compressor = JinaRerank(model=MODEL, jina_api_key=service.key)
    with patch.object(jina_rerank, "JINA_API_URL", f"{service.url}/v1/rerank"):
        ranked = compressor.rerank([{"text": passage} for passage in PASSAGES], QUERY, top_n=None)
    assert ranked[0]["index"] == PASSAGES.index(ANSWER)
    assert len(ranked) == len(PASSAGES)


@pytest.mark.client("vllm-haystack")
def test_vllms_own_parameters_are_taken(service):
    """Its users add them to the body."""
    ranker = _vllm_ranker(service)
    ranker.extra_parameters = {"truncate_prompt_tokens": -1, "priority": 0, "use_activation": False}
    answer = _run(ranker, QUERY, PASSAGES)
    assert answer["documents"][0].content == ANSWER
    assert answer["documents"][-1].score < 0
