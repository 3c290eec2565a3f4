"""LangChain components for bentorank, a self-hosted reranking service."""

from langchain_bentorank.rerank import BentoRerank
from langchain_bentorank.retriever import BentoRerankRetriever

__all__ = ["BentoRerank", "BentoRerankRetriever"]
