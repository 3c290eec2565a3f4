"""What is told of one model that is served: by `/info`, and in the caller's own process by LocalReranker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentorank.cascade.first_stage import NO_FIRST_STAGE

if TYPE_CHECKING:
    from bentorank.http.dialects.dialect import JobRules
    from bentorank.models import ServedModel


def model_details(model: ServedModel, service: JobRules) -> dict[str, Any]:
    """As responses.ModelDetails; what the model's own settings do not say is as the `service` has it."""
    info, rules = model.reranker.info, service.of_model(model.overflow, model.first_stage, model.keep)
    return {
        "name": model.name,
        "aliases": model.aliases,
        "engine": info.engine,
        "device": info.device,
        "precision": info.precision,
        "max_tokens": info.max_tokens,
        "max_batch_tokens": model.reranker.scheduler.max_batch_tokens,
        "overflow": rules.overflow,
        "takes_instruction": info.takes_instruction,
        "first_stages": model.reranker.first_stages,
        "first_stage": rules.first_stage or NO_FIRST_STAGE,
        "keep": rules.keep,
    }
