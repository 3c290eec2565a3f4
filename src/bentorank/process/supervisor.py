"""BentoML's supervisor, circus' arbiter, with what it lacks: it replaces stuck workers, and it always stops.

BentoML looks after its workers every ten seconds, waits a day for one that does not stop, drops a signal that comes
while it is busy, and holds the socket open while it stops. In a container it starts no worker again, and neither do we.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml._internal.utils.circus as bentoml_circus
import psutil

from bentorank.process import exit_status
from bentorank.process.accepting import ConnectionCounts
from bentorank.process.garbage import settle_garbage_collector
from bentorank.process.heartbeat import Heartbeats
from bentorank.process.metric_files import FOLDER_VARIABLE, RestartCounter, remove_gauges
from bentorank.process.silence import SilenceWatch
from bentorank.process.starts import Starts
from bentorank.process.supervision import name_supervisor

if TYPE_CHECKING:
    from types import FrameType

    from circus.process import Process
    from circus.watcher import Watcher

TICK_S = 0.25
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
logger = logging.getLogger(__name__)


def supervise_workers(workers: int, *, grace_s: float) -> None:
    """Call before BentoML makes its supervisor: it will be ours, which ends workers `grace_s` after a SIGTERM."""
    name_supervisor()
    # Elsewhere than on Linux workers accept as they come.
    counts = ConnectionCounts.share(workers) if workers > 1 and hasattr(os, "memfd_create") else None
    bentoml_circus.Arbiter = partial(Supervisor, grace_s, Heartbeats(), counts)  # type: ignore[misc,assignment]


class Supervisor(bentoml_circus.Arbiter):
    """Replaces workers that are gone or silent; SIGTERM stops gracefully but in any case, a second one at once."""

    def __init__(
        self,
        grace_s: float,
        heartbeats: Heartbeats,
        connections: ConnectionCounts | None,
        *args: Any,  # noqa: ANN401 - circus'
        **kwargs: Any,  # noqa: ANN401 - circus'
    ) -> None:
        # Held back until our handler is there: circus' own would lose them.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        # Ours looks after the workers, and not circus' timer, which collides with other commands.
        super().__init__(*args, **kwargs | {"check_delay": 0})
        for watcher in self.watchers:
            watcher.graceful_timeout = grace_s
        self._heartbeats = heartbeats
        self._connections = connections
        self._silence = SilenceWatch(_is_stopped, max_step_s=2 * TICK_S)
        self._workers: dict[int, Process] = {}
        self._ended_for_silence: set[int] = set()
        self._starts = Starts()
        self._ticked_at = time.monotonic()
        self._stop_asked = False
        self._metrics_folder = Path(self.watchers[0].env[FOLDER_VARIABLE])
        self._restarts = RestartCounter(self._metrics_folder)
        for signum in STOP_SIGNALS:
            signal.signal(signum, self._take_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def initialize(self) -> None:
        """Begin to look after the workers, too."""
        super().initialize()
        settle_garbage_collector()
        self._ticking = self.loop.asyncio_loop.create_task(self._tick_for_ever())

    def stop(self) -> Any:  # noqa: ANN401 - circus' future
        """Ask the workers to stop, and wait for them."""
        # With the workers' own ends goes the last: from then on connections are refused, not kept waiting.
        self.sockets.close_all()
        return super().stop()

    def reap_processes(self) -> None:
        """Take leave of workers that have ended; called before new ones are started."""
        for watcher in self.watchers:
            self._workers.update(watcher.processes)
        for pid, process in list(self._workers.items()):
            if process.poll() is not None:
                del self._workers[pid]
                self._bury(process)

    async def _tick_for_ever(self) -> None:
        """Not by tornado's timers: they are on the wall clock, and once it is set back they wait for it to catch up."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._tick()
            except Exception as error:  # noqa: BLE001 - whatever circus raises, the next tick may go better
                logger.error("looking after the workers failed: %s", type(error).__name__)  # noqa: TRY400 - one line

    async def _tick(self) -> None:
        now = time.monotonic()
        self._end_silent_workers(now - self._ticked_at)
        self._ticked_at = now
        if self._stopping or self._exclusive_running_command is not None:
            return
        if not self._stop_asked:
            self.reap_processes()
        if self._stop_asked:
            # Not awaited: a worker that falls silent while it stops has to be seen.
            self.stop()
        else:
            self._start_missing_workers(now)

    def _start_missing_workers(self, now: float) -> None:
        """Not by circus: it starts all, though one has to wait, and forgets a worker that ends just now."""
        somebody_serves = any(self._silence.has_served(pid) for pid in self._workers)
        for watcher in self.watchers:
            if not (watcher.respawn and watcher.is_active()):
                continue
            living = {process.wid for process in watcher.processes.values()}
            for number in {*range(1, watcher.numprocesses + 1)} - living:
                if self._starts.is_due(number, now, somebody_serves=somebody_serves):
                    watcher.spawn_process(number)

    def _end_silent_workers(self, elapsed_s: float) -> None:
        for pid in self._silence.step(elapsed_s, self._workers, self._heartbeats.take()):
            if pid not in self._ended_for_silence:
                logger.critical("worker %d gives no sign of life: it is ended", pid)
                self._ended_for_silence.add(pid)
                _kill(pid)

    def _bury(self, process: Process) -> None:
        """Forget a worker, count why it is gone, and decide what follows."""
        watcher: Watcher = process.watcher
        pid, status = process.pid, process.returncode()
        watcher.processes.pop(pid, None)
        if process.wid not in {other.wid for other in watcher.processes.values()}:
            remove_gauges(self._metrics_folder, process.wid)
            if self._connections is not None:
                self._connections.forget(process.wid)
        reason = exit_status.loss_reason(status, was_silent=pid in self._ended_for_silence)
        self._ended_for_silence.discard(pid)
        if status == exit_status.CANNOT_START and (not watcher.respawn or not watcher.processes):
            # The settings ask for what cannot be had. Where others live it may be this worker's device alone.
            self._stop_with(1)
        elif not watcher.respawn:
            logger.critical("worker %d is gone (%s, %s): the service ends", pid, reason, exit_status.told(status))
            self._stop_with(exit_status.as_shells_say(status))
        else:
            logger.error("worker %d is gone (%s, %s): another one starts", pid, reason, exit_status.told(status))
            self._restarts.count(reason)
            now = time.monotonic()
            if status == exit_status.CANNOT_START:
                self._starts.refused(process.wid, now)
            else:
                self._starts.ended(process.wid, now, has_served=self._silence.has_served(pid))

    def _stop_with(self, status: int) -> None:
        self._exception = SystemExit(status)
        self._stop_asked = True

    def _take_signal(self, signum: int, _frame: FrameType | None) -> None:
        if not self.running:
            # No worker serves yet, and circus loses a stop that comes before its loop runs.
            self._kill_workers()
            os._exit(exit_status.as_shells_say(-signum))
        if not self._stop_asked:
            self._stop_asked = True
            return
        # In flight or not: whoever asks twice does not want to wait.
        self._exception = SystemExit(exit_status.as_shells_say(-signum))
        self._kill_workers()

    def _kill_workers(self) -> None:
        for watcher in self.watchers:
            for pid in list(watcher.processes):
                _kill(pid)


def _kill(pid: int) -> None:
    # Whoever has ended meanwhile is still a zombie of ours, so that its pid is nobody else's.
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _is_stopped(pid: int) -> bool:
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return False
