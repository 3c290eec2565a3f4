"""Haystack ranker for bentorank, a self-hosted reranking service."""

from haystack_integrations.components.rankers.bentorank.ranker import BentoRanker

__all__ = ["BentoRanker"]
