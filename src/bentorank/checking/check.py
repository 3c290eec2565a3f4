"""Whether a model is served here: what its files, loading it, and its own library's scores say."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bentorank.checking.description import Description, describe
from bentorank.checking.memory import GIB, least_bytes
from bentorank.checking.processes import run
from bentorank.checking.reference import Library, library_of
from bentorank.checking.steps import Loaded, Memory, Refused, Scored, Speed
from bentorank.checking.texts import check_task
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.cores import usable_memory_bytes
from bentorank.engines.hardware import may_have_accelerator
from bentorank.engines.loading import choose_engine
from bentorank.engines.options import BYTES_A_WEIGHT, EngineKind, Precision
from bentorank.engines.self_check import F32_TOLERANCE
from bentorank.errors import ConfigurationError
from bentorank.evaluation.agreement import Agreement, Tolerance, measure_agreement
from bentorank.installing import install_extra
from bentorank.wiring import engine_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bentorank.checking.steps import Step
    from bentorank.engines.checkpoint import Checkpoint
    from bentorank.evaluation.collection import Task
    from bentorank.settings import Settings


class Phase(StrEnum):
    """What is being done, in the order in which it is done."""

    FIND = "looking for the model"
    LOAD = "loading it; converting it first, if that is new to OpenVINO"
    BATCHES = "computing full batches"
    BURST = "timing a burst"
    SCORES = "scoring a few texts"
    REFERENCE = "asking the library it comes from, in f32"

    @classmethod
    def to_load(cls) -> tuple[Phase, ...]:
        """Those of a check that measures nothing."""
        return cls.FIND, cls.LOAD


@dataclass(frozen=True, slots=True)
class Comparison:
    """With the library named, in f32: `agreement` of the logits, `lists_in_order` of all lists have the same order."""

    library: str
    agreement: Agreement
    lists_in_order: int
    lists: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was found until the check ended. `reason` is why the model is not served, if it is not; `not_compared` why
    its scores were compared with nobody's. So many `workers` would share the memory that was looked at.
    """

    model: str
    reason: str | None = None
    description: Description | None = None
    loaded: Loaded | None = None
    memory: Memory | None = None
    speed: Speed | None = None
    comparison: Comparison | None = None
    not_compared: str | None = None
    workers: int = 1

    @property
    def served(self) -> bool:
        """Whether the service would start with the model, and score as it was trained."""
        return self.reason is None


def check_model(settings: Settings, *, measure: bool, show: Callable[[Phase], None]) -> Report:
    """Look at the files of `settings.model`, load it as the service would, and with `measure` time and compare it.

    The environment has the same settings, which the processes that load read. `show` is told each phase as it begins.
    """
    report = Report(settings.model)
    try:
        show(Phase.FIND)
        options = engine_options(settings, worker_index=1)
        checkpoint = open_checkpoint(
            options.model, revision=options.revision, max_tokens=options.max_tokens, hints=options.hints
        )
        report = replace(report, description=describe(checkpoint))
        assert report.description is not None, "bug: it was just made"
        kind = choose_engine(options)
        if kind is EngineKind.OPENVINO or options.device == "cpu" or not may_have_accelerator():
            needed = least_bytes(report.description.weights, kind, options.precision) * settings.worker_count
            _require_memory(checkpoint.name, needed)
    except ConfigurationError as error:
        return replace(report, reason=str(error))
    except OSError as error:
        return replace(report, reason=f"a file of the model cannot be read: {error.strerror}")
    report, scored = _tried(report, measure=measure, show=show)
    on_gpu = report.loaded is not None and report.loaded.device.startswith("cuda")
    report = replace(report, workers=settings.workers_per_gpu if on_gpu else settings.worker_count)
    return report if scored is None else _compared(report, checkpoint, scored, show)


def _require_memory(model: str, needed_bytes: int) -> None:
    if needed_bytes > (usable := usable_memory_bytes()):
        raise ConfigurationError(
            f"the model {model} takes {needed_bytes / GIB:.1f} GiB of memory for its weights alone, and there are"
            f" {usable / GIB:.1f}"
        )


def _tried(report: Report, *, measure: bool, show: Callable[[Phase], None]) -> tuple[Report, Scored | None]:
    """The report with what a process found that loads the model, and what it scored."""
    show(Phase.LOAD)
    for step in run("bentorank.checking.trial", *(["measure"] if measure else [])):
        match step:
            case Loaded():
                report = replace(report, loaded=step)
                if measure:
                    show(Phase.BATCHES)
            case Memory():
                report = replace(report, memory=step)
                show(Phase.BURST)
            case Speed():
                report = replace(report, speed=step)
                show(Phase.SCORES)
            case Scored():
                return report, step
            case Refused():
                return replace(report, reason=_refusal(report, step)), None
    return report, None


def _refusal(report: Report, refused: Refused) -> str:
    """As the service says it, or of which model it was that a process ended."""
    return f"the model {report.model}: {refused.reason}" if refused.reason.startswith("its process") else refused.reason


def _compared(report: Report, checkpoint: Checkpoint, scored: Scored, show: Callable[[Phase], None]) -> Report:
    library = library_of(checkpoint)
    assert report.description is not None, "bug: it was described before it was tried"
    if find_spec("sentence_transformers") is None:
        return replace(report, not_compared=f"sentence-transformers is not installed: {install_extra('torch')}")
    needed, usable = report.description.weights * BYTES_A_WEIGHT[Precision.F32], usable_memory_bytes()
    if needed > usable:
        reason = f"in f32 its weights take {needed / GIB:.1f} GiB, and there are {usable / GIB:.1f}"
        return replace(report, not_compared=reason)
    show(Phase.REFERENCE)
    answer = _ask(scored)
    if isinstance(answer, Refused):
        return replace(report, not_compared=f"{library.name}: {answer.reason}")
    return _judged(
        report, _comparison(library, check_task(prompts=checkpoint.has_prompts), answer.logits, scored.logits)
    )


def _ask(scored: Scored) -> Scored | Refused:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "tokens.json"
        file.write_text(json.dumps(scored.tokens), encoding="utf-8")
        answers: list[Step] = list(run("bentorank.checking.reference", str(file)))
    for answer in answers:
        if isinstance(answer, Scored | Refused):
            return answer
    return Refused("it said nothing")


def _comparison(library: Library, task: Task, reference: Sequence[float], ours: Sequence[float]) -> Comparison:
    sides = [_by_list(task, scores) for scores in (reference, ours)]
    same = [
        np.array_equal(np.argsort(-before, kind="stable"), np.argsort(-after, kind="stable"))
        for before, after in zip(*sides, strict=True)
    ]
    return Comparison(f"{library.name} {version(library.name)}", measure_agreement(task, *sides), sum(same), len(same))


def _by_list(task: Task, scores: Sequence[float]) -> list[NDArray[np.float64]]:
    lengths = [len(candidates.passages) for candidates in task.lists]
    return np.split(np.asarray(scores, dtype=np.float64), np.cumsum(lengths)[:-1])


def _judged(report: Report, comparison: Comparison) -> Report:
    """In f32 scores are to be the same, in less they are to rank the same."""
    loaded = report.loaded
    assert loaded is not None, "bug: it has scored"
    objection = Tolerance().objection(comparison.agreement)
    if loaded.precision == "f32" and comparison.agreement.max_difference > F32_TOLERANCE * 10:
        objection = f"has logits that are up to {comparison.agreement.max_difference:.2g} off"
    if objection is None:
        return replace(report, comparison=comparison)
    hint = "" if loaded.precision == "f32" else "; try BENTORANK_PRECISION=f32"
    reason = (
        f"the model {_name(report)} loads, but in {loaded.precision} it {objection}, compared with"
        f" {comparison.library}{hint}"
    )
    return replace(report, comparison=comparison, reason=reason)


def _name(report: Report) -> str:
    """The model's name as the service has it, once it is known."""
    return report.model if report.description is None else report.description.model
