"""Reranks BM25's candidates of every prepared collection and writes `quality.json` and `quality.md`.

python -m benchmarks.quality.run COLLECTIONS
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.harness.results_files import RESULTS, write_results
from bentorank.cli.eval import engine_scorer
from bentorank.engines.options import EngineKind, EngineOptions, Precision
from bentorank.evaluation.candidates import bm25_candidates
from bentorank.evaluation.collection import Task, judged_queries, make_task
from bentorank.evaluation.comparison import compare_scorers
from bentorank.evaluation.formats import read_qrels, read_run, read_texts
from bentorank.evaluation.report import Report, as_tables
from bentorank.evaluation.report import as_markdown as report_as_markdown
from bentorank.evaluation.scorers import BiEncoderScorer

if TYPE_CHECKING:
    from bentorank.evaluation.scorers import Scorer

SEED = 13


def load_task(folder: Path, top_k: int, limit_queries: int | None) -> Task:
    """A prepared collection with its candidates in BM25's order: BM25's own best, or those that it came with."""
    corpus, qrels = read_texts(folder / "corpus.jsonl"), read_qrels(folder / "qrels.tsv")
    queries = judged_queries(read_texts(folder / "queries.jsonl"), qrels, limit_queries, SEED)
    run = folder / "candidates.run"
    if not run.exists():
        return make_task(corpus, queries, qrels, bm25_candidates(corpus, queries, top_k), top_k)
    given, ranked = read_run(run), bm25_candidates(corpus, queries, len(corpus))
    ordered = {query: order_given(given[query], ranked[query]) for query in queries}
    return make_task(corpus, queries, qrels, ordered, top_k)


def order_given(given: list[str], ranked: list[str]) -> list[str]:
    """The given candidates as BM25 ranks them; those that share no word with the query come last, as given."""
    place = {document: rank for rank, document in enumerate(ranked)}
    return sorted(given, key=lambda document: place.get(document, len(place)))


def as_markdown(reports: dict[str, Report]) -> str:
    """A table for each collection."""
    pages = ["# Ranking quality", "In brackets: 95 % interval of the difference to the first row (paired bootstrap)."]
    for name, report in reports.items():
        pages += [f"## {name}: {report.queries:,} queries, {report.pairs:,} pairs", report_as_markdown(report)]
    return "\n\n".join(pages)


def main(  # noqa: PLR0913  each parameter is one option
    *,
    collections: Annotated[Path, typer.Argument(help="What prepare_collections.py wrote.")],
    model: Annotated[str, typer.Option(help="`starter`, a folder, or a Hugging Face model id.")] = "starter",
    engine: EngineKind = EngineKind.AUTO,
    precision: Annotated[list[Precision] | None, typer.Option(help="One row each; repeatable.")] = None,
    bi_encoder: Annotated[str | None, typer.Option(help="Also rank by this bi-encoder's cosine.")] = None,
    top_k: int = 100,
    limit_queries: Annotated[int | None, typer.Option(help="A sample of each collection's queries.")] = None,
    out: Path = RESULTS,
) -> None:
    """Evaluate a model on every collection."""
    precisions = precision or [Precision.AUTO]
    scorers: list[Scorer] = [engine_scorer(EngineOptions(model, engine, precision=each)) for each in precisions]
    if bi_encoder is not None:
        scorers.append(BiEncoderScorer(bi_encoder))
    reports: dict[str, Report] = {}
    for folder in sorted(path for path in collections.iterdir() if path.is_dir()):
        task = load_task(folder, top_k, limit_queries)
        report, _ = compare_scorers(task, "BM25", scorers, top_k, Console(stderr=True))
        Console().print(f"\n{folder.name}", as_tables(report))
        reports[folder.name] = report
        result = {"top_k": top_k, "limit_queries": limit_queries, "seed": SEED, "collections": reports}
        write_results(out, "quality", result, as_markdown(reports))


if __name__ == "__main__":
    typer.run(main)
