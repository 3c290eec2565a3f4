"""The greedy search: one setting after the other, in rounds that take turns, and a duel with what is in force."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bentorank.errors import ConfigurationError
from bentorank.evaluation.agreement import Agreement, AgreementCheck, measure_agreement
from bentorank.tuning.candidates import AS_IT_IS, Candidate, Dimension, Restriction, dimensions
from bentorank.tuning.choice import MIN_ROUNDS, Result, choose
from bentorank.tuning.contender import Contender, ContenderError, run_contender
from bentorank.tuning.workload import MIN_PAIRS, Workload, by_list, plan_workload, write_lists

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bentorank.tuning.measuring import Loaded, Measurement
    from bentorank.tuning.progress import TuningBar

ROUNDS = 5
F32 = AS_IT_IS.with_value("precision", "f32")


@dataclass(frozen=True, slots=True)
class Order:
    """What to tune: `settings` (values by field) come on top of the environment's for all that is measured."""

    settings: Mapping[str, str]
    check: AgreementCheck
    only: Restriction
    minutes: float


@dataclass(frozen=True, slots=True)
class Stage:
    """Candidates that were measured in the same rounds. The first is what is in force; `refused` has reasons."""

    title: str
    results: tuple[Result, ...]
    refused: tuple[tuple[Candidate, str], ...]
    chosen: Candidate


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the search came to. `notes` says what could not be done."""

    loaded: Loaded
    stages: tuple[Stage, ...]
    chosen: Candidate
    notes: tuple[str, ...]


def tune(order: Order, bar: TuningBar) -> Outcome:
    """Measure candidates for about `order.minutes` once the model is loaded and converted, and choose.

    Raises ConfigurationError for a model that cannot be loaded as it is, or a precision that would be emulated.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        lists = Path(folder) / "lists.json"
        write_lists(order.check.task, lists)
        bar.say("loading the model as it is")
        try:
            in_force = stack.enter_context(run_contender(AS_IT_IS, order.settings, lists))
            if in_force.loaded.engine == "fake":
                raise ConfigurationError("the fake engine ranks nothing, so there is nothing to tune")
            to_try = dimensions(in_force.loaded, order.only)
            return _Search(order, bar, lists, in_force, _measurements(to_try)).run(to_try)
        except ContenderError as error:
            raise ConfigurationError(f"the settings in force cannot be measured: {error}") from None


def _measurements(to_try: Sequence[Dimension]) -> int:
    """In the rounds of all stages: beside the values the settings in force and the best so far, and the last duel."""
    contenders = sum(len(dimension.values) + 2 for dimension in to_try) + 2
    return contenders * ROUNDS


class _Search:
    """One run of the search, with what it has found out so far."""

    def __init__(self, order: Order, bar: TuningBar, lists: Path, in_force: Contender, measurements: int) -> None:
        self._order = order
        self._bar = bar
        self._lists = lists
        self._in_force = in_force
        self._notes: list[str] = []
        self._agreements: dict[str, Agreement] = {}
        self._workload = self._plan(measurements)
        self._reference = self._score_reference()
        # From here, since the first start with a model may have to convert it.
        self._ends_at = time.monotonic() + 60 * order.minutes
        bar.plan(measurements)

    def run(self, to_try: Sequence[Dimension]) -> Outcome:
        """All stages that there is time for."""
        stages: list[Stage] = []
        best = AS_IT_IS
        for number, dimension in enumerate(to_try):
            if stages and time.monotonic() >= self._ends_at:
                left = ", ".join(skipped.setting for skipped in to_try[number:])
                self._notes.append(f"there was no time left to try {left}: give it more --minutes")
                break
            if candidates := dimension.on_top_of(best):
                stages.append(self._stage(dimension.setting, best, candidates, stages_left=len(to_try) - number + 1))
                best = stages[-1].chosen
        if best != AS_IT_IS:
            # The best of many is ahead by luck as well: it must win once more, alone with what is in force.
            stages.append(self._stage("the best once more", AS_IT_IS, [best], stages_left=1))
            best = stages[-1].chosen
        return Outcome(self._in_force.loaded, tuple(stages), best, tuple(self._notes))

    def _plan(self, measurements: int) -> Workload:
        self._bar.say("finding out how much to measure")
        self._in_force.measure(MIN_PAIRS)
        speed = self._in_force.measure(MIN_PAIRS).pairs_per_s
        return plan_workload(self._order.check.task, speed, 60 * self._order.minutes, measurements)

    def _score_reference(self) -> list[float]:
        """Logits in f32 of what is compared."""
        if self._in_force.loaded.precision != "f32":
            self._bar.say("scoring in f32, to compare with")
            try:
                with run_contender(F32, self._order.settings, self._lists) as reference:
                    return reference.measure(self._workload.compared.pairs).logits
            except ContenderError as error:
                self._notes.append(f"compared with the settings in force, since f32 cannot be had: {error}")
        return self._in_force.measure(self._workload.compared.pairs).logits

    def _stage(self, title: str, best: Candidate, candidates: Sequence[Candidate], stages_left: int) -> Stage:
        now = time.monotonic()
        stage_ends_at = now + (self._ends_at - now) / stages_left
        refused: list[tuple[Candidate, str]] = []
        with ExitStack() as stack:
            contenders = [self._in_force]
            for candidate in dict.fromkeys([best, *candidates]):
                if candidate == AS_IT_IS:
                    continue
                self._bar.say(f"{title}: loading {candidate.name}")
                try:
                    contender = stack.enter_context(run_contender(candidate, self._order.settings, self._lists))
                    self._warm_up(contender)
                    contenders.append(contender)
                except ContenderError as error:
                    refused.append((candidate, str(error)))
            self._warm_up(self._in_force)
            results = self._rounds(title, contenders, refused, stage_ends_at)
        by_candidate = {result.candidate: result for result in results}
        others = [result for result in results if result.candidate != best]
        chosen = choose(by_candidate[best], others) if best in by_candidate else results[0]
        return Stage(title, tuple(results), tuple(refused), chosen.candidate)

    def _warm_up(self, contender: Contender) -> None:
        """Bring up memory and kernels, and compare with the reference, once for each precision."""
        if contender.loaded.precision in self._agreements:
            contender.measure(self._workload.pairs)
            return
        compared = self._workload.compared
        logits = contender.measure(compared.pairs).logits
        self._agreements[contender.loaded.precision] = measure_agreement(
            compared, by_list(compared, self._reference), by_list(compared, logits)
        )

    def _rounds(
        self, title: str, contenders: list[Contender], refused: list[tuple[Candidate, str]], ends_at: float
    ) -> list[Result]:
        """Measure all in turn, every other time in the opposite order, until the time is over.

        A contender that fails over it is moved from `contenders` to `refused`.
        """
        measured: dict[Candidate, list[Measurement]] = {contender.candidate: [] for contender in contenders}
        for number in range(ROUNDS):
            if number >= MIN_ROUNDS and time.monotonic() >= ends_at:
                break
            for contender in contenders[:: 1 if number % 2 == 0 else -1]:
                self._bar.say(f"{title}: {contender.candidate.name}, round {number + 1} of {ROUNDS}")
                try:
                    measured[contender.candidate].append(contender.measure(self._workload.pairs))
                except ContenderError as error:
                    if contender is self._in_force:
                        raise
                    contenders.remove(contender)
                    refused.append((contender.candidate, str(error)))
                self._bar.advance()
        return [self._result(contender, measured[contender.candidate]) for contender in contenders]

    def _result(self, contender: Contender, measured: Sequence[Measurement]) -> Result:
        agreement = self._agreements[contender.loaded.precision]
        return Result(
            contender.candidate,
            tuple(measurement.pairs_per_s for measurement in measured),
            agreement,
            self._order.check.tolerance.objection(agreement),
            measured[-1].peak_mib,
        )
