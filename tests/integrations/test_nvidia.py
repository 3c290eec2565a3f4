"""Clients of NVIDIA's NIM: LangChain's, LlamaIndex's and Haystack's."""

import pytest
from frameworks import through_haystack, through_langchain, through_llama_index
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


def _base_url(service):
    return f"{service.url}/v1"


def _langchain_compressor(service, top_n, **options):
    from langchain_nvidia_ai_endpoints import NVIDIARerank

    return NVIDIARerank(
        model=SERVED_MODEL,
        base_url=_base_url(service),
        api_key=service.key,
        usage_telemetry_enabled=False,
        top_n=top_n,
        **options,
    )


def langchain(service, query, passages, top_n):
    return through_langchain(_langchain_compressor(service, top_n), query, passages)


def langchain_async(service, query, passages, top_n):
    return through_langchain(_langchain_compressor(service, top_n), query, passages, is_async=True)


def llama_index(service, query, passages, top_n):
    from llama_index.postprocessor.nvidia_rerank import NVIDIARerank

    # Reads the list of models, and refuses a name that is not in it.
    postprocessor = NVIDIARerank(model=SERVED_MODEL, base_url=_base_url(service), api_key=service.key, top_n=top_n)
    return through_llama_index(postprocessor, query, passages)


def haystack(service, query, passages, top_n):
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.nvidia import NvidiaRanker

    ranker = NvidiaRanker(
        model=SERVED_MODEL,
        api_url=_base_url(service),
        api_key=Secret.from_token(service.key),
        truncate="END",
        top_k=top_n,
    )
    return through_haystack(ranker, query, passages)


CLIENTS = [
    PublishedClient(
        "langchain-nvidia-ai-endpoints",
        langchain,
        for_blank_query=Raised("Exception", BLANK_MESSAGE),
        for_wrong_key=Raised("Exception", KEY_MESSAGE),
        has_logits=True,
    ),
    PublishedClient(
        "langchain-nvidia-ai-endpoints",
        langchain_async,
        for_blank_query=Raised("Exception", BLANK_MESSAGE),
        for_wrong_key=Raised("Exception", KEY_MESSAGE),
        has_logits=True,
    ),
    PublishedClient(
        "llama-index-postprocessor-nvidia-rerank",
        llama_index,
        # It shows the status alone.
        for_blank_query=Raised("HTTPStatusError", "400"),
        for_wrong_key=Raised("HTTPStatusError", "401"),
        has_logits=True,
    ),
    PublishedClient(
        "nvidia-haystack",
        haystack,
        for_blank_query=Raised("ValueError", BLANK_MESSAGE),
        for_wrong_key=Raised("ValueError", KEY_MESSAGE),
        has_logits=True,
    ),
]


class TestReranking(RerankingCases):
    """Each of them ranks."""


@pytest.mark.client("langchain-nvidia-ai-endpoints")
def test_langchain_puts_its_batches_together_by_logit(service):
    """Batches are requests of their own, whose scores compare."""
    from langchain_core.documents import Document

    documents = [Document(passage) for passage in PASSAGES]
    ranked = _langchain_compressor(service, 2, max_batch_size=1).compress_documents(documents, QUERY)
    assert ranked[0].page_content == ANSWER
    assert len(ranked) == 2


@pytest.mark.client("langchain-nvidia-ai-endpoints")
@pytest.mark.parametrize("truncate", [None, "NONE", "END"])
def test_a_long_passage_is_cut_only_if_told(service, truncate):
    """`END` cuts; without it NIM refuses."""
    from langchain_core.documents import Document

    compressor = _langchain_compressor(service, 2, truncate=truncate)
    documents = [Document(ANSWER), Document("two eggs and a cup of flour " * 200)]
    if truncate == "END":
        assert len(compressor.compress_documents(documents, QUERY)) == 2
    else:
        with pytest.raises(Exception, match="passages"):
            compressor.compress_documents(documents, QUERY)


@pytest.mark.client("langchain-nvidia-ai-endpoints")
def test_langchain_finds_the_model_that_is_served(service):
    """Told no model, it takes the first of the list."""
    from langchain_nvidia_ai_endpoints import NVIDIARerank

    with pytest.warns(UserWarning, match="Default model"):
        compressor = NVIDIARerank(base_url=_base_url(service), api_key=service.key, usage_telemetry_enabled=False)
    assert compressor.model == SERVED_MODEL


@pytest.mark.client("llama-index-postprocessor-nvidia-rerank")
def test_llama_index_posts_to_the_hosted_path(service):
    """The path that has the model's name in it, as NVIDIA's own cloud has; such names are not looked up first."""
    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.nvidia_rerank import NVIDIARerank

    model = f"nvdev/{SERVED_MODEL}"
    url = f"{_base_url(service)}/retrieval/{model}/reranking"
    postprocessor = NVIDIARerank(model=model, base_url=url, api_key=service.key, top_n=1)
    nodes = [NodeWithScore(node=TextNode(text=passage)) for passage in PASSAGES]
    (best,) = postprocessor.postprocess_nodes(nodes, query_str=QUERY)
    assert best.text == ANSWER
