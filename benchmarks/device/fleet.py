"""Servers that are started side by side and then measured one after the other; an idle one takes nothing but memory."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.harness.contender import Contender
from benchmarks.harness.contenders import BULK, FRESH_SCORES
from benchmarks.harness.servers import RunningServer, run_server
from bentorank.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.device.plan import Trial

# Loading is work for two cores: a process reads weights while threads of it convert them.
CORES_A_START = 2


def unknown_settings(settings: Mapping[str, str]) -> list[str]:
    """Those `BENTORANK_…` names that this version does not have."""
    known = {f"BENTORANK_{field.upper()}" for field in Settings.model_fields}
    return [name for name in settings if name.startswith("BENTORANK_") and name not in known]


def contender_of(trial: Trial, models: Path) -> Contender:
    """How the service is started for a trial; without its installed command, which a host may not have."""
    settings = {name: value.replace("{models}", str(models)) for name, value in trial.settings.items()}
    one_model = {} if "BENTORANK_MODELS" in settings else {"BENTORANK_MODEL": str(models / trial.model)}
    return Contender(
        name=trial.name,
        command=(sys.executable, "-m", "bentorank", "serve", "--port", "{port}"),
        environment={
            **one_model,
            **FRESH_SCORES,
            **BULK,
            **settings,
        },
        ready_path="/readyz",
    )


class Fleet:
    """Servers by the name of their trial: running, or why not."""

    def __init__(self, pool: ThreadPoolExecutor, contenders: Sequence[Contender], timeout_s: float) -> None:
        self._contexts: dict[str, AbstractContextManager[RunningServer]] = {
            contender.name: run_server(contender, "", timeout_s=timeout_s) for contender in contenders
        }
        self._started: dict[str, Future[RunningServer]] = {
            name: pool.submit(context.__enter__) for name, context in self._contexts.items()
        }
        self._pool = pool

    def server(self, trial: str) -> RunningServer:
        """Wait for it; raises ServerError where it did not start."""
        return self._started[trial].result()

    def wait(self) -> dict[str, float | str]:
        """Until each runs or has failed: seconds to ready, or the first line of what went wrong."""
        return {
            name: str(error).splitlines()[0] if (error := started.exception()) else started.result().ready_s
            for name, started in self._started.items()
        }

    def stop(self) -> None:
        """All at a time."""
        running = [name for name, started in self._started.items() if started.exception() is None]
        list(self._pool.map(lambda name: self._contexts[name].__exit__(None, None, None), running))


@contextmanager
def started(contenders: Sequence[Contender], timeout_s: float) -> Iterator[Fleet]:
    """Start all, each within `timeout_s`, and stop all in the end."""
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // CORES_A_START)) as pool:
        fleet = Fleet(pool, contenders, timeout_s)
        try:
            yield fleet
        finally:
            fleet.stop()
