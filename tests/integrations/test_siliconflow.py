"""LlamaIndex's client of SiliconFlow's API, which asks for long documents to be ranked in chunks."""

import pytest
from frameworks import through_llama_index
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases


def _postprocessor(service, top_n):
    from llama_index.postprocessor.siliconflow_rerank import SiliconFlowRerank

    return SiliconFlowRerank(base_url=f"{service.url}/v1/rerank", api_key=service.key, top_n=top_n)


def llama_index(service, query, passages, top_n):
    return through_llama_index(_postprocessor(service, top_n), query, passages)


CLIENTS = [
    PublishedClient(
        "llama-index-postprocessor-siliconflow-rerank",
        llama_index,
        for_blank_query=Raised("RuntimeError", BLANK_MESSAGE),
        for_wrong_key=Raised("RuntimeError", KEY_MESSAGE),
    )
]


class TestReranking(RerankingCases):
    """It ranks."""


@pytest.mark.client("llama-index-postprocessor-siliconflow-rerank")
def test_an_answer_at_the_end_of_a_long_document_is_found(service):
    """A document is as good as its best chunk."""
    filling = "The recipe asks for two eggs and a cup of flour. " * 150
    passages = [filling + ANSWER, PASSAGES[0], filling]
    ((best, _),) = through_llama_index(_postprocessor(service, 1), QUERY, passages)
    assert best == filling + ANSWER
