"""The outcome of tuning: a table for people, and a file of settings that says what was measured where."""

from __future__ import annotations

import datetime as dt
import os
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from rich.table import Table

from bentorank import __version__
from bentorank.engines.cores import cpu_name, usable_cores
from bentorank.settings import environment_name
from bentorank.tuning.candidates import AS_IT_IS
from bentorank.tuning.choice import Result, ratio, spread

if TYPE_CHECKING:
    from bentorank.tuning.first_stage import FirstStageProposal
    from bentorank.tuning.search import Outcome, Stage


def as_table(outcome: Outcome) -> Table:
    """A row for each candidate of each stage; ratios, median and range, are to what is in force in the same round."""
    table = Table(title=_title(outcome), caption=verdict(outcome), caption_justify="left")
    table.add_column("tried")
    for header in ("pairs/s", "times as fast", "correlation", "peak MiB"):
        table.add_column(header, justify="right", no_wrap=True)
    for stage in outcome.stages:
        for result in stage.results:
            table.add_row(*_row(stage, result))
        for candidate, reason in stage.refused:
            table.add_row(f"  {candidate.name}: {reason}", style="dim")
        table.add_section()
    return table


def verdict(outcome: Outcome) -> str:
    """What was chosen and why, in a sentence, and what could not be done."""
    return "\n".join((_verdict(outcome), *outcome.notes))


def settings_lines(outcome: Outcome, model: str | None, proposal: FirstStageProposal | None = None) -> str:
    """`NAME=value` lines that `bentorank serve --env-file` reads, and docker's; `model` is pinned if it is given."""
    comments = [
        f"Written by bentorank tune {__version__} on {dt.datetime.now(tz=dt.UTC):%Y-%m-%d}.",
        _title(outcome),
        *verdict(outcome).splitlines(),
        *(() if proposal is None else (proposal.sentence,)),
    ]
    proposed = () if proposal is None else proposal.settings
    settings = [*([("model", model)] if model else ()), *outcome.chosen.overrides, *proposed]
    lines = [f"# {comment}" for comment in comments] + [f"{environment_name(name)}={value}" for name, value in settings]
    return "\n".join(lines) + "\n"


def overruled(outcome: Outcome) -> list[str]:
    """Variables of the environment that would win over the file."""
    return [name for field, _ in outcome.chosen.overrides if (name := environment_name(field)) in os.environ]


def _title(outcome: Outcome) -> str:
    loaded = outcome.loaded
    package = {"openvino": "openvino", "torch": "torch"}[loaded.engine]
    machine = f"{cpu_name() or 'CPU'}, {usable_cores()} cores" if loaded.device == "cpu" else loaded.device
    return f"{loaded.model}: {loaded.engine} {_version(package)}, {loaded.precision} as it is, on {machine}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _row(stage: Stage, result: Result) -> tuple[str, ...]:
    gain = ratio(result, stage.results[0])
    chosen = "→ " if result.candidate == stage.chosen else "  "
    return (
        f"{chosen}{result.candidate.name}" + (f" ({result.objection})" if result.objection else ""),
        f"{spread(result.pairs_per_s).median:.1f}",
        f"{gain.median:.2f} ({gain.low:.2f}–{gain.high:.2f})",
        f"{result.agreement.correlation:.4f}",
        f"{result.peak_mib:.0f}",
    )


def _verdict(outcome: Outcome) -> str:
    if outcome.chosen == AS_IT_IS:
        return "Nothing was faster than the settings in force by more than noise: they stay."
    duel = outcome.stages[-1]
    in_force, best = duel.results
    gain, rounds = ratio(best, in_force), len(best.pairs_per_s)
    reason = f"; as it is the model {in_force.objection}" if in_force.objection else ""
    return (
        f"{outcome.chosen.name}: {gain.median:.2f} times as fast as the settings in force"
        f" ({gain.low:.2f} to {gain.high:.2f} in {rounds} rounds), {spread(best.pairs_per_s).median:.1f} pairs/s;"
        f" logits correlate by {best.agreement.correlation:.4f} with f32's{_ndcg(best)}{reason}."
    )


def _ndcg(result: Result) -> str:
    change = result.agreement.ndcg
    return "" if change is None else f", nDCG@10 {change.before:.4f} → {change.after:.4f}"
