"""What others log of exceptions that may quote a request."""

import asyncio
import gc
import logging
import queue
import sys
import threading

import pytest

from bentorank.observability.logging.background import MAX_WAITING_LINES, Background
from bentorank.observability.logging.formats import make_formatter
from bentorank.observability.logging.options import LogFormat
from bentorank.observability.logging.privacy import leave_out_quotations, log_uncaught_exceptions

SECRET = "a caller's text"


@pytest.fixture
def lines(monkeypatch):
    """What is logged meanwhile, as JSON."""
    written = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(self.format(record))

    handler = Keep()
    handler.setFormatter(make_formatter(LogFormat.JSON, "worker 1"))
    leave_out_quotations()
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_uncaught_exceptions()
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


def test_a_task_that_nobody_awaits_tells_the_type_alone(lines):
    """asyncio shows the whole task, and with it what the exception says."""

    async def fail():
        raise ValueError(SECRET)

    async def leave_alone():
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        del task
        gc.collect()

    asyncio.run(leave_alone())
    (line,) = lines
    assert "Task exception was never retrieved: ValueError in fail" in line
    assert SECRET not in line


def test_what_is_raised_while_an_object_is_deleted_tells_the_type_alone(lines):
    """Python itself would write it to standard error, on several lines."""

    class Falls:
        def __del__(self):
            raise ValueError(SECRET)

    Falls()
    gc.collect()
    (line,) = lines
    assert "ValueError in __del__" in line
    assert SECRET not in line


def test_lines_that_came_too_fast_are_counted():
    """Who reads the log learns how many are missing."""
    may_write, written = threading.Event(), queue.Queue()

    def write(line):
        may_write.wait(30)
        written.put(line)

    background = Background(write)

    def say(word):
        background.handle(logging.LogRecord("any", logging.INFO, "", 0, word, None, None))

    for number in range(MAX_WAITING_LINES + 10):
        say(f"line {number}")
    may_write.set()
    assert [written.get(timeout=30) for _ in range(MAX_WAITING_LINES)][::9999] == ["line 0", "line 9999"]
    say("after")
    assert written.get(timeout=30) == "10 lines before this one are lost: they came faster than they were written"
    assert written.get(timeout=30) == "after"
