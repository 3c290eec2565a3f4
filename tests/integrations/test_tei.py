"""Clients of Text Embeddings Inference: LlamaIndex's and Haystack's."""

import pytest
from frameworks import through_haystack, through_llama_index
from published import ANSWER, BLANK_MESSAGE, KEY_MESSAGE, PASSAGES, QUERY, PublishedClient, Raised, RerankingCases


def _llama_index_postprocessor(service, top_n, auth_token):
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    return TextEmbeddingInference(base_url=service.url, top_n=top_n, auth_token=auth_token)


def llama_index(service, query, passages, top_n):
    postprocessor = _llama_index_postprocessor(service, top_n, f"Bearer {service.key}")
    return through_llama_index(postprocessor, query, passages)


def _haystack_ranker(service, top_n, **options):
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker

    return HuggingFaceTEIRanker(url=service.url, top_k=top_n, token=Secret.from_token(service.key), **options)


def haystack(service, query, passages, top_n):
    return through_haystack(_haystack_ranker(service, top_n), query, passages)


def haystack_async(service, query, passages, top_n):
    return through_haystack(_haystack_ranker(service, top_n), query, passages, is_async=True)


CLIENTS = [
    PublishedClient(
        "llama-index-postprocessor-tei-rerank",
        llama_index,
        # It does not look at the status, and finds the error's body to be no list of scores.
        for_blank_query=Raised("AssertionError", ""),
        for_wrong_key=Raised("AssertionError", ""),
    ),
    *(
        PublishedClient(
            "huggingface-api-haystack",
            rerank,
            for_blank_query=Raised("RuntimeError", BLANK_MESSAGE),
            for_wrong_key=Raised("RuntimeError", KEY_MESSAGE),
        )
        for rerank in (haystack, haystack_async)
    ),
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


@pytest.mark.client("llama-index-postprocessor-tei-rerank")
def test_llama_index_may_send_the_key_alone(service):
    """It sends `auth_token` as it is, so a user who gives just the key sends no scheme."""
    postprocessor = _llama_index_postprocessor(service, 1, service.key)
    ((passage, _),) = through_llama_index(postprocessor, QUERY, PASSAGES)
    assert passage == ANSWER


@pytest.mark.client("huggingface-api-haystack")
def test_haystack_gets_logits_when_asked(service):
    """Raw scores of what does not answer are below zero, which no probability is."""
    ranked = through_haystack(_haystack_ranker(service, 3, raw_scores=True), QUERY, PASSAGES)
    assert ranked[0][0] == ANSWER
    assert ranked[-1][1] < 0


@pytest.mark.client("huggingface-api-haystack")
@pytest.mark.parametrize(("direction", "kept"), [("LEFT", "the end"), ("RIGHT", "the start")])
def test_haystack_says_which_end_is_cut(service, direction, kept):
    """The answer counts at the end that is kept."""
    from haystack import Document
    from haystack_integrations.components.rankers.huggingface_api import TruncationDirection

    filling = "The recipe asks for two eggs and a cup of flour. " * 100
    texts = {"the start": ANSWER + filling, "the end": filling + ANSWER}
    documents = [Document(content=text) for text in texts.values()]
    ranker = _haystack_ranker(service, 2)
    ranked = ranker.run(query=QUERY, documents=documents, truncation_direction=TruncationDirection[direction])
    assert ranked["documents"][0].content == texts[kept]
