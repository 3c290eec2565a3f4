"""Converts a checkpoint, measures the result against the original, and hands it over only if both rank alike."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bentorank import __version__
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.loading import load_engine
from bentorank.engines.openvino.ir_store import require_nncf, stored_model
from bentorank.engines.openvino.provenance import RECORD, digests
from bentorank.engines.options import EngineKind, Precision
from bentorank.evaluation.agreement import measure_agreement
from bentorank.evaluation.reranking import score_list
from bentorank.evaluation.scorers import EngineScorer
from bentorank.exporting.calibration import split
from bentorank.exporting.errors import DisagreementError
from bentorank.exporting.folder import check_target, new_folder, write_checkpoint, write_model
from bentorank.exporting.rounding import Activations, rounded, ways_to_round
from bentorank.types import LengthPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.engines.openvino.ir_store import StoredModel
    from bentorank.engines.options import EngineOptions
    from bentorank.evaluation.agreement import Agreement, AgreementCheck
    from bentorank.evaluation.collection import Task


@dataclass(frozen=True, slots=True)
class Export:
    """What was written, and how near it is; `objection` says why the calibrated model was not, if it was tried."""

    activations: Activations
    agreement: Agreement
    objection: str | None = None


def export_model(
    options: EngineOptions, target: Path, check: AgreementCheck, console: Console, *, force: bool = False
) -> Export:
    """Write the model of `options` to the folder `target` in `options.precision`, int8 or f32.

    int8 is calibrated, or rounds weights alone where the calibrated model disagrees. The reference is the original in
    torch, in f32 on the CPU. Raises ExportError where `target` is taken, DisagreementError, with nothing written, where
    all that was tried disagrees, and ConfigurationError where the model cannot be converted.
    """
    checkpoint = open_checkpoint(
        options.model, revision=options.revision, max_tokens=options.max_tokens, hints=options.hints
    )
    check_target(target, checkpoint.folder, force=force)
    if options.precision is Precision.INT8:
        require_nncf(f"{checkpoint.name} is to become an int8 model")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with new_folder(target) as folder, Progress(*columns, console=console, transient=True) as progress:
        with _pulsing(progress, f"converting {checkpoint.name}"):
            converted = stored_model(checkpoint, Precision.F32, options.cache_dir)
        write_checkpoint(folder, checkpoint, converted)
        export = _first_that_agrees(folder, _Source(options, checkpoint, converted), check, progress)
        _write_record(folder, checkpoint, options, export)
    return export


@dataclass(frozen=True, slots=True)
class _Source:
    """What is exported: as it was asked for, as it was found, and as an IR in f32."""

    options: EngineOptions
    checkpoint: Checkpoint
    converted: StoredModel


def _first_that_agrees(folder: Path, source: _Source, check: AgreementCheck, progress: Progress) -> Export:
    """Write the model into `folder` in one way after the other, until one agrees."""
    options, name = source.options, source.checkpoint.name
    ways = ways_to_round(options.precision, reads_prompts=source.checkpoint.has_prompts)
    pairs, judged = split(check.task) if Activations.CALIBRATED in ways else ([], check.task)
    original = replace(options, engine=EngineKind.TORCH, precision=Precision.F32, device="cpu")
    exported = replace(options, engine=EngineKind.OPENVINO, model=str(folder), revision=None, device="cpu")
    reference = _score(original, judged, progress, "scoring with the original")
    objection = None
    for activations in ways:
        with _pulsing(progress, f"writing {options.precision}, activations {activations}"):
            model = rounded(source.checkpoint, source.converted, activations, pairs)
            write_model(folder, model, options.precision.value)
        scores = _score(exported, judged, progress, f"scoring with the {options.precision} model")
        agreement = measure_agreement(judged, reference, scores)
        earlier, objection = objection, check.tolerance.objection(agreement)
        if objection is None:
            return Export(activations, agreement, earlier)
    raise DisagreementError(f"not exported: the {options.precision} model of {name} {objection}")


@contextmanager
def _pulsing(progress: Progress, what: str) -> Iterator[None]:
    """A bar for what cannot be counted."""
    bar = progress.add_task(what, total=None)
    yield
    progress.remove_task(bar)


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


def _write_record(folder: Path, checkpoint: Checkpoint, options: EngineOptions, export: Export) -> None:
    """Whoever gets the folder shall know what it was made of, how it is asked, and how near it is."""
    record = {
        "model": checkpoint.name,
        "revision": options.revision,
        "precision": options.precision,
        "hints": {"prompt_format": checkpoint.prompt_format, "two_labels": checkpoint.two_labels},
        "bentorank": __version__,
        "activations": export.activations,
        "agreement": asdict(export.agreement),
        "files": digests(folder),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
