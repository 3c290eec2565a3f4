"""LlamaIndex node postprocessor for bentorank, a self-hosted reranking service."""

from llama_index.postprocessor.bentorank.base import BentoRerank

__all__ = ["BentoRerank"]
