"""Converts a checkpoint, measures the result against the original, and hands it over only if both rank alike."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bentorank import __version__
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.ir_store import stored_model
from bentorank.engines.loading import load_engine
from bentorank.engines.options import EngineKind, Precision
from bentorank.evaluation.agreement import measure_agreement
from bentorank.evaluation.reranking import score_list
from bentorank.evaluation.scorers import EngineScorer
from bentorank.exporting.errors import DisagreementError
from bentorank.exporting.folder import check_target, new_folder, write_model
from bentorank.types import LengthPolicy

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from bentorank.engines.options import EngineOptions
    from bentorank.evaluation.agreement import Agreement, AgreementCheck
    from bentorank.evaluation.collection import Task

RECORD = "openvino/export.json"


def export_model(
    options: EngineOptions, target: Path, check: AgreementCheck, console: Console, *, force: bool = False
) -> Agreement:
    """Write the model of `options` to the folder `target` in `options.precision`, int8 or f32.

    The reference is the original in torch, in f32 on the CPU. Raises ExportError where `target` is taken,
    DisagreementError, with nothing written, where the two disagree, and ConfigurationError where the model cannot be
    converted.
    """
    checkpoint = open_checkpoint(options.model, revision=options.revision, max_tokens=options.max_tokens)
    check_target(target, checkpoint.folder, force=force)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with new_folder(target) as folder, Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"converting {checkpoint.name} to {options.precision}", total=None)
        converted = stored_model(checkpoint, options.precision, options.cache_dir)
        write_model(folder, checkpoint, converted, options.precision.value)
        progress.remove_task(bar)
        original = replace(options, engine=EngineKind.TORCH, precision=Precision.F32, device="cpu")
        exported = replace(options, engine=EngineKind.OPENVINO, model=str(folder), revision=None, device="cpu")
        reference = _score(original, check.task, progress, "scoring with the original")
        scores = _score(exported, check.task, progress, f"scoring with the {options.precision} model")
        agreement = measure_agreement(check.task, reference, scores)
        if objection := check.tolerance.objection(agreement):
            raise DisagreementError(f"not exported: the {options.precision} model of {checkpoint.name} {objection}")
        _write_record(folder, checkpoint.name, options, agreement)
    return agreement


def _score(options: EngineOptions, task: Task, progress: Progress, what: str) -> list[NDArray[np.float64]]:
    """Logits of every list. The engine is gone afterwards, so that two models are never in memory at once."""
    bar = progress.add_task(what, total=task.pairs)
    _silence_transformers()
    # A small window may be shorter than a query of the built-in texts.
    scorer = EngineScorer(load_engine(options), LengthPolicy(cut_query=True))
    scores = []
    for candidates in task.lists:
        scores.append(score_list(candidates, scorer).scores)
        progress.advance(bar, len(candidates.passages))
    return scores


def _silence_transformers() -> None:
    """Its own bars would break through ours."""
    from transformers.utils import logging  # noqa: PLC0415 - heavy, and only torch brings it

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _write_record(folder: Path, model: str, options: EngineOptions, agreement: Agreement) -> None:
    """Whoever gets the folder shall know what it was made of, and how near it is."""
    record = {
        "model": model,
        "revision": options.revision,
        "precision": options.precision,
        "bentorank": __version__,
        "agreement": asdict(agreement),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
