"""`bentorank tune`: measures which settings serve a model fastest on this machine, and writes them to a file."""

from __future__ import annotations

from pathlib import Path
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
from bentorank.cli.terminal import terminal, warn
from bentorank.engines.options import Precision  # noqa: TC001  as above
from bentorank.errors import CommandError

TRIED = "Tried"


def tune(
    *,
    model: Annotated[str | None, typer.Option(help="`starter`, a folder or a Hugging Face model id.")] = None,
    out: Annotated[Path | None, typer.Option(help="File of settings to write, for `serve --env-file`.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="About how long to measure, once the model is loaded.")
    ] = 3.0,
    precision: Annotated[
        list[Precision] | None,
        typer.Option(metavar="<precision>", help="Only this one; may be repeated.", rich_help_panel=TRIED),
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="So many threads alone; may be repeated.", rich_help_panel=TRIED)
    ] = None,
    streams: Annotated[
        list[int] | None, typer.Option(min=1, help="So many passes at a time; may be repeated.", rich_help_panel=TRIED)
    ] = None,
    max_batch_tokens: Annotated[
        list[int] | None, typer.Option(min=1, help="Passes of so many tokens; may be repeated.", rich_help_panel=TRIED)
    ] = None,
    tokenizer_threads: Annotated[
        list[int] | None,
        typer.Option(min=1, help="So many threads that tokenize; may be repeated.", rich_help_panel=TRIED),
    ] = None,
    corpus: Corpus = None,
    queries: Queries = None,
    qrels: Qrels = None,
    candidates: Candidates = None,
    top_k: TopK = 20,
    limit_queries: LimitQueries = None,
    first_stage: Annotated[
        bool,
        typer.Option(
            "--first-stage",
            help="Propose word embeddings as a first stage, if it loses no more than --max-ndcg-loss for certain.",
            rich_help_panel=TRIED,
        ),
    ] = False,
    min_correlation: MinCorrelation = 0.99,
    max_ndcg_loss: MaxNdcgLoss = 0.005,
) -> None:
    """Measure precisions, threads, streams, token budgets and tokenizer threads with this model on this machine, and
    keep the fastest.

    Every candidate runs in a process of its own, in rounds that take turns with the settings in force, on built-in
    texts or on your own. One that ranks otherwise than f32 is never chosen, and the settings in force stay unless
    another is faster by more than noise. Let the machine do nothing else meanwhile.
    """
    from bentorank.evaluation.agreement import AgreementCheck, Tolerance
    from bentorank.evaluation.report import cascade_table
    from bentorank.settings import read_settings
    from bentorank.tuning.candidates import Restriction
    from bentorank.tuning.first_stage import keeps_for, measure_first_stage, propose
    from bentorank.tuning.progress import TuningBar
    from bentorank.tuning.report import as_table, overruled, settings_lines
    from bentorank.tuning.search import Order
    from bentorank.tuning.search import tune as search

    read_settings()  # wrong ones are said here rather than by a process of their own
    if model is not None and Path(model).is_dir():
        model = str(Path(model).resolve())  # the service may start elsewhere
    only = Restriction(
        tuple(precision or ()),
        tuple(threads or ()),
        tuple(streams or ()),
        tuple(max_batch_tokens or ()),
        tuple(tokenizer_threads or ()),
    )
    tolerance = Tolerance(min_correlation, max_ndcg_loss)
    _check_out(out, force=force)
    task = chosen_task(corpus, queries, qrels, candidates, top_k=top_k, limit_queries=limit_queries)
    if first_stage:
        keeps_for(task)
    order = Order({"model": model} if model else {}, AgreementCheck(task, tolerance), only, minutes)
    with TuningBar(terminal(stderr=True)) as bar:
        outcome = search(order, bar)
        proposal = None
        if first_stage:
            bar.say("measuring a first stage")
            report = measure_first_stage({**order.settings, **dict(outcome.chosen.overrides)}, task)
            proposal = propose(report, max_ndcg_loss)
    lines = settings_lines(outcome, model, proposal)
    if out is not None:
        _replace_file(out, lines)
    console = terminal()
    console.print(as_table(outcome))
    if proposal is not None:
        console.print(cascade_table(proposal.report), proposal.sentence)
    for name in overruled(outcome):
        warn(f"{name} is set in the environment, and wins over a file of settings")
    if out is None:
        console.print(lines, soft_wrap=True, highlight=False)
    else:
        console.print(f"Serve with it: bentorank serve --env-file {out}", soft_wrap=True, highlight=False)


def _check_out(out: Path | None, *, force: bool) -> None:
    """Raises CommandError, before anything is measured, for a file that nobody asked to replace."""
    if out is not None and out.exists() and not force:
        raise CommandError(f"{out} exists: choose another --out, or let --force replace it")


def _replace_file(out: Path, text: str) -> None:
    """Complete or not at all."""
    scratch = out.with_name(f".{out.name}.new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(out)
