"""Prometheus' files, one a kind of metric and worker, from which any worker answers for all.

They carry the worker's number in the place of its pid. The next worker of that number counts on where the last one
stopped, so counters never go back and no file is left over, however often a worker dies.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import prometheus_client.values
from prometheus_client.mmap_dict import mmap_key

from bentorank.process.exit_status import LossReason
from bentorank.process.metric_values import MetricValues

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
RESTARTS = "rerank_worker_restarts"


def name_files_after_worker(number: int | None) -> None:
    """Call before the first metric is made. Nothing changes for a process that is no numbered worker."""
    if number is None or FOLDER_VARIABLE not in os.environ:
        return
    remove_gauges(Path(os.environ[FOLDER_VARIABLE]), number)
    prometheus_client.values.MmapedDict = MetricValues  # type: ignore[attr-defined,assignment]
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(lambda: number)


def remove_gauges(folder: Path, number: int) -> None:
    """Forget what the worker of that number was doing: it is gone.

    Gauges of what lives, alone. That another one's file is gone while a scrape reads it fails the scrape, which BentoML
    leaves without an answer; and when a lost worker was asked last stays true.
    """
    for file in folder.glob(f"gauge_live*_{number}.db"):
        with suppress(OSError):
            file.unlink()


class RestartCounter:
    """`rerank_worker_restarts_total` by reason. The supervisor serves no metrics, so it writes a file of its own."""

    def __init__(self, folder: Path) -> None:
        self._values = MetricValues(str(folder / "counter_supervisor.db"))
        self._counts = dict.fromkeys(LossReason, 0)
        for reason in LossReason:
            self._write(reason)

    def count(self, reason: LossReason) -> None:
        """One more."""
        self._counts[reason] += 1
        MetricValues.return_to_disk()
        self._write(reason)

    def _write(self, reason: LossReason) -> None:
        key = mmap_key(RESTARTS, f"{RESTARTS}_total", ["reason"], [reason], "Workers replaced, by reason.")
        self._values.write_value(key, float(self._counts[reason]), 0.0)
