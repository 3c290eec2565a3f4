"""BentoRerankRetriever, by LangChain's published test suite for retrievers."""

from __future__ import annotations

import pytest
from langchain_bentorank import BentoRerank, BentoRerankRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests

DOCUMENTS = [Document(text, id=text[:4]) for text in ("Bread needs flour.", "Owls eat mice.", "Ships carry freight.")]


class Given(BaseRetriever):
    """Finds the same documents for every query."""

    count: int = 3

    def _get_relevant_documents(self, query, *, run_manager, count=None):
        return DOCUMENTS[: count or self.count]


class TestStandard(RetrieversIntegrationTests):
    """The published suite, against a real server with the shipped model."""

    @pytest.fixture(autouse=True)
    def _service(self, starter_service, monkeypatch):
        monkeypatch.setenv("BENTORANK_BASE_URL", starter_service.url)

    @property
    def retriever_constructor(self):
        return BentoRerankRetriever

    @property
    def retriever_constructor_params(self):
        return {"base_retriever": Given(), "reranker": BentoRerank()}

    @property
    def retriever_query_example(self):
        return "what do owls eat"

    @property
    def num_results_arg_name(self):
        return "top_n"


def test_other_arguments_are_the_base_retrievers(starter_service):
    """Which may find fewer."""
    retriever = BentoRerankRetriever(
        base_retriever=Given(), reranker=BentoRerank(base_url=starter_service.url, top_n=1)
    )
    assert [document.id for document in retriever.invoke("what do owls eat")] == ["Owls"]
    assert [document.id for document in retriever.invoke("what do owls eat", count=1)] == ["Brea"]


def test_nothing_found_needs_no_service():
    """Nobody listens on port 9."""
    reranker = BentoRerank(base_url="http://127.0.0.1:9")
    retriever = BentoRerankRetriever(base_retriever=RunnableLambda(lambda _: []), reranker=reranker)
    assert retriever.invoke("what do owls eat") == []
