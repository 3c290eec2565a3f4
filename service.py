"""The BentoML service, under the name that `bentoml serve service:BentoRank` and bentofile.yaml look for."""

from bentorank.service import BentoRank

__all__ = ["BentoRank"]
