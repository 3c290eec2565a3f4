"""Long documents, cut or split: pieces of SQuAD articles, asked for what stands early or late in them.

python -m benchmarks.quality.long_documents DATA
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path  # noqa: TC003  typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from benchmarks.harness.results_files import RESULTS, write_results
from benchmarks.quality.prepare_collections import squad_articles
from bentorank.engines.loading import load_engine
from bentorank.engines.options import EngineKind, EngineOptions, Precision
from bentorank.evaluation.candidates import bm25_candidates
from bentorank.evaluation.collection import Task, make_task
from bentorank.evaluation.comparison import compare_scorers
from bentorank.evaluation.report import Report, as_markdown, as_tables
from bentorank.evaluation.scorers import EngineScorer
from bentorank.types import LengthPolicy, Overflow
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.quality.prepare_collections import Paragraph

SEED = 13
# A word is a token at least, so a paragraph that begins beyond so many words lies past a window of 512 tokens.
LATE_FROM_WORD = 512
EARLY_UNTIL_WORD = 200
DOCUMENT_WORDS = 1_000
OVERLAP_TOKENS = 32


@dataclass(slots=True)
class LongDocument:
    """Neighbouring paragraphs of one article, and their questions by the word where their paragraph begins."""

    text: str = ""
    questions: list[tuple[int, str]] = field(default_factory=list)

    @property
    def words(self) -> int:
        """How long it is."""
        return len(self.text.split())

    def append(self, paragraph: Paragraph) -> None:
        """Add a paragraph with its questions."""
        self.questions += [(self.words, question) for question in paragraph.questions]
        self.text = f"{self.text}\n{paragraph.text}" if self.text else paragraph.text


def long_documents(articles: list[list[Paragraph]]) -> Iterator[LongDocument]:
    """Every article in documents of at least DOCUMENT_WORDS; what is left at an article's end is no document."""
    for paragraphs in articles:
        document = LongDocument()
        for paragraph in paragraphs:
            document.append(paragraph)
            if document.words >= DOCUMENT_WORDS:
                yield document
                document = LongDocument()


def tasks_of(documents: list[LongDocument], queries: int, top_k: int) -> dict[str, Task]:
    """Two tasks over the same documents: answers that begin early in their document, and late."""
    corpus = {f"d{number}": document.text for number, document in enumerate(documents)}
    asked = [
        (begin, question, f"d{number}")
        for number, document in enumerate(documents)
        for begin, question in document.questions
    ]
    parts = {
        "early": [(question, key) for begin, question, key in asked if begin <= EARLY_UNTIL_WORD],
        "late": [(question, key) for begin, question, key in asked if begin >= LATE_FROM_WORD],
    }
    return {name: _task(corpus, random.Random(SEED).sample(part, queries), top_k) for name, part in parts.items()}


def _task(corpus: dict[str, str], asked: list[tuple[str, str]], top_k: int) -> Task:
    queries = {f"q{number}": question for number, (question, _) in enumerate(asked)}
    qrels = {f"q{number}": {key: 1} for number, (_, key) in enumerate(asked)}
    return make_task(corpus, queries, qrels, bm25_candidates(corpus, queries, top_k), top_k)


def markdown_of(reports: dict[str, Report], documents: list[LongDocument]) -> str:
    """A table for each task."""
    words = sorted(document.words for document in documents)
    about = (
        f"{len(documents)} documents of several paragraphs of SQuAD 1.1 dev, {words[len(words) // 2]:,} words in the"
        f" median, where the model reads 512 tokens. *early*: the paragraph with the answer begins within the first"
        f" {EARLY_UNTIL_WORD} words; *late*: beyond {LATE_FROM_WORD}, where a cut loses it. In brackets: 95 % interval"
        " of the difference to the first row (paired bootstrap)."
    )
    pages = ["# Long documents, cut or split", about]
    for name, report in reports.items():
        pages += [f"## {name}: {report.queries:,} queries, {report.pairs:,} documents", as_markdown(report)]
    return "\n\n".join(pages)


def main(  # noqa: PLR0913  each parameter is one option
    *,
    data: Annotated[Path, typer.Argument(help="Directory with squad/.")],
    model: Annotated[str, typer.Option(help="`starter`, a folder, or a Hugging Face model id.")] = "starter",
    precision: Precision = Precision.AUTO,
    queries: Annotated[int, typer.Option(min=1, help="Questions of each of the two tasks.")] = 150,
    top_k: Annotated[int, typer.Option(min=1, help="BM25's best documents are reranked.")] = 20,
    out: Path = RESULTS,
) -> None:
    """Compare truncation with splitting."""
    engine = load_engine(replace(EngineOptions(resolve_model(model), EngineKind.AUTO), precision=precision))
    policies = (LengthPolicy(), LengthPolicy(Overflow.CHUNK, overlap_tokens=OVERLAP_TOKENS))
    scorers = [EngineScorer(engine, policy) for policy in policies]
    documents = list(long_documents(squad_articles(data)))
    reports: dict[str, Report] = {}
    for name, task in tasks_of(documents, queries, top_k).items():
        reports[name], _ = compare_scorers(task, "BM25", scorers, top_k, Console(stderr=True))
        Console().print(f"\n{name}", as_tables(reports[name]))
    result = {"queries": queries, "top_k": top_k, "seed": SEED, "tasks": reports}
    write_results(out, "long_documents", result, markdown_of(reports, documents))


if __name__ == "__main__":
    typer.run(main)
