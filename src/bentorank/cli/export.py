"""`bentorank export`: a cross-encoder as an OpenVINO folder that serves at once and ranks as the original."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path  # noqa: TC003  typer reads the annotations when it builds the command
from typing import Annotated

import typer

from bentorank.cli.measured_on import (
    Candidates,
    Corpus,
    LimitQueries,
    MaxNdcgLoss,
    MinCorrelation,
    Qrels,
    Queries,
    TopK,
    chosen_task,
)
from bentorank.cli.terminal import terminal
from bentorank.engines.options import Precision


class Exported(StrEnum):
    """The precisions that a folder can keep; bf16 is computed from f32."""

    INT8 = Precision.INT8.value
    F32 = Precision.F32.value


def export(
    *,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    model: Annotated[str | None, typer.Option(help="`starter`, a folder or a Hugging Face model id.")] = None,
    precision: Annotated[Exported, typer.Option(help="Of the weights.")] = Exported.INT8,
    force: Annotated[bool, typer.Option("--force", help="Replace a model folder that is there.")] = False,
    corpus: Corpus = None,
    queries: Queries = None,
    qrels: Qrels = None,
    candidates: Candidates = None,
    top_k: TopK = 100,
    limit_queries: LimitQueries = None,
    min_correlation: MinCorrelation = 0.99,
    max_ndcg_loss: MaxNdcgLoss = 0.005,
) -> None:
    """Convert a cross-encoder for OpenVINO, and hand it over only if it ranks as the original does.

    The folder holds the model's own files and the converted ones, and BENTORANK_MODEL=folder serves it without torch.

    Logits of the original and of the converted model are compared, on built-in texts or on your own. int8 is calibrated
    on every other query's passages, and compared on the rest; a single query does both. Where the calibrated model
    disagrees, only its weights are int8; where that one does too nothing is written, and the status is 1.
    """
    from bentorank.evaluation.agreement import AgreementCheck, Tolerance
    from bentorank.exporting.export import export_model
    from bentorank.exporting.report import as_table
    from bentorank.settings import read_settings
    from bentorank.wiring import engine_options

    settings = read_settings()
    if model is not None:
        settings = settings.model_copy(update={"model": model})
    options = replace(engine_options(settings, worker_index=1), precision=Precision(precision))
    task = chosen_task(corpus, queries, qrels, candidates, top_k=top_k, limit_queries=limit_queries)
    check = AgreementCheck(task, Tolerance(min_correlation, max_ndcg_loss))
    exported = export_model(options, out, check, terminal(stderr=True), force=force)
    console = terminal()
    console.print(as_table(exported, f"{settings.model} → {out.name}, {precision}"))
    pinned = "" if precision is Exported.INT8 else f"BENTORANK_PRECISION={precision} "
    console.print(f"Serve it: {pinned}BENTORANK_MODEL={out} bentorank serve", soft_wrap=True, highlight=False)
