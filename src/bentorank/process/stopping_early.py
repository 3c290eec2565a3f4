"""SIGTERM while a worker loads its models, at which uvicorn would look once they are there: minutes later, perhaps."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from bentorank.process.stopping import serving_uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

# For what loading has to clean up: a conversion, and its files.
_CLEANED_UP_WITHIN_S: Final = 2.0


class _StoppedError(BaseException):
    """No Exception: whatever loads may catch those."""


@contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """SIGTERM within the context ends this process, after clean-up where that is soon done.

    Python hears signals on its main thread alone: on another, as in tests of the application, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    server, before = serving_uvicorn(), signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, _raise)
    if server is not None and server.should_exit:
        os._exit(0)  # it came before
    try:
        with _leaving_in_time():
            yield
    except _StoppedError:
        os._exit(0)
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(_signum: int, _frame: object) -> NoReturn:
    raise _StoppedError


@contextmanager
def _leaving_in_time() -> Iterator[None]:
    """No handler runs while the main thread compiles a model, for one: another thread hears of the signal at once."""
    hearing, telling = socket.socketpair()
    telling.setblocking(False)  # noqa: FBT003 - the socket's own signature
    before = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_leave_soon_after_sigterm, args=(hearing,), name="early-stop", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        telling.close()


def _leave_soon_after_sigterm(hearing: socket.socket) -> None:
    with hearing:
        while numbers := hearing.recv(64):
            if signal.SIGTERM in numbers:
                time.sleep(_CLEANED_UP_WITHIN_S)
                os._exit(0)
