"""Whether a first stage is worth proposing: only where judgements say what it loses at most, and that is little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bentorank.engines.loading import load_engine
from bentorank.errors import CommandError
from bentorank.evaluation.cascade import CascadeReport, measure_cascade
from bentorank.evaluation.scorers import EngineScorer
from bentorank.evaluation.staged import EngineStages, WordSifter
from bentorank.settings import Settings
from bentorank.tuning.choice import MIN_GAIN
from bentorank.wiring import engine_options, word_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bentorank.evaluation.cascade import Kept
    from bentorank.evaluation.collection import Task

KEEPS = (10, 20, 30, 50)


@dataclass(frozen=True, slots=True)
class FirstStageProposal:
    """What was measured, and the row that is proposed, if there is one."""

    report: CascadeReport
    max_ndcg_loss: float
    chosen: Kept | None

    @property
    def settings(self) -> tuple[tuple[str, str], ...]:
        """Fields of Settings and their values."""
        if self.chosen is None:
            return ()
        return (("first_stage", self.report.first_stage), ("keep", str(self.chosen.keep)))

    @property
    def sentence(self) -> str:
        """What was decided, and why."""
        if self.chosen is None:
            return f"No first stage: none was faster and lost less than {self.max_ndcg_loss} of nDCG@10 for certain."
        return (
            f"First stage {self.report.first_stage}, keep {self.chosen.keep}: {self.chosen.speed:.2f} times as fast as"
            f" reading all, at most {self.report.ndcg_loss[self.chosen.keep or 0]:.4f} of nDCG@10 lost (95 %, over"
            f" {self.report.queries} queries), {100 * self.chosen.overlap:.0f} % of the ten best the same."
        )


def measure_first_stage(
    settings: Mapping[str, Any], task: Task, told: Callable[[int], None] = lambda _: None
) -> CascadeReport:
    """The model's own word embeddings before it, in this process, with settings on top of the environment's.

    Raises CommandError where nothing could be said of it, and ConfigurationError as the model's loading does.
    """
    keeps = keeps_for(task)
    options = engine_options(Settings(**settings), worker_index=1)
    words = word_table(options)
    if words is None:
        raise CommandError("--first-stage: no word embeddings are to be found in this model")
    scorer = EngineScorer(load_engine(options))
    report, _ = measure_cascade(task, EngineStages(scorer, WordSifter(scorer.engine, words)), keeps, told)
    return report


def keeps_for(task: Task) -> tuple[int, ...]:
    """What is worth trying on these lists. Raises CommandError where nothing could be said of a first stage."""
    if not task.qrels:
        raise CommandError("--first-stage takes judgements: name --corpus, --queries and --qrels")
    longest = max(len(candidates.passages) for candidates in task.lists)
    keeps = tuple(keep for keep in KEEPS if keep <= longest // 2)
    if not keeps:
        raise CommandError(f"--first-stage takes lists of {2 * KEEPS[0]} candidates and more: raise --top-k")
    return keeps


def propose(report: CascadeReport, max_ndcg_loss: float) -> FirstStageProposal:
    """The fastest that loses no more than that for certain, by the end of the interval, and gains what is worth it."""
    losses = {keep: loss for keep, loss in report.ndcg_loss.items() if loss <= max_ndcg_loss}
    worth_it = [row for row in report.rows if row.keep in losses and row.speed >= MIN_GAIN]
    return FirstStageProposal(report, max_ndcg_loss, max(worth_it, key=lambda row: row.speed, default=None))
