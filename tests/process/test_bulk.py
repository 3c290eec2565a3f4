"""`bentorank bulk` as a process that is stopped and killed on its way, and goes on."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import pytest
from support.bulk_lists import make_rows, ranked, rejected, summary, write_jsonl
from support.server import BIN, environment, wait_until

pytestmark = pytest.mark.process

ROWS = make_rows(240)
# Ten passes a second and more than 50 passes: there is time to end it on the way.
SLOW = {"engine": "fake", "fake_batch_delay_ms": 20, "max_batch_tokens": 32}


@contextlib.contextmanager
def running(tmp_path, lists, out, *options, **settings):
    """The command as a process; killed at the end if it still runs."""
    process = subprocess.Popen(
        [str(BIN / "bentorank"), "bulk", "--in", str(lists), "--out", str(out), "--part-rows", "8", *options],
        env=environment(tmp_path / "home", **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_to_its_end(tmp_path, lists, out, *options, **settings):
    with running(tmp_path, lists, out, *options, **settings) as process:
        output, _ = process.communicate(timeout=120)
    return process.returncode, output


def parts(out):
    return [*out.glob("part-*")]


def test_a_job_that_is_stopped_and_killed_has_each_row_once(tmp_path):
    """Killed, stopped by SIGTERM with status 143, then let run to its end: what an uninterrupted one has."""
    bad = [{"id": "bad", "query": "", "documents": ["owls"]}]
    lists = write_jsonl(tmp_path / "in.jsonl", [*ROWS[:3], *bad, *ROWS[3:200], *bad, *ROWS[200:]])
    out = tmp_path / "out"
    with running(tmp_path, lists, out, **SLOW) as process:
        wait_until(lambda: len(parts(out)) >= 2)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    killed_at = len(parts(out))

    # As if it had been killed a moment later: between a part and its line, and in the middle of writing others.
    (out / "part-00000-000000099999999.jsonl").write_text('{"id": "never committed"}\n')
    (out / ".scratch-part").write_bytes(b"half")
    for name in ("journal.jsonl", "rejected.jsonl"):
        with (out / "_bulk" / name).open("ab") as file:
            file.write(b'{"torn')

    with running(tmp_path, lists, out, **SLOW) as process:
        wait_until(lambda: len(parts(out)) >= killed_at + 2)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "the same command goes on from there" in output
    stopped = summary(out)
    assert not stopped["complete"]
    assert 0 < stopped["rows"] < 242
    assert len(ranked(out)) == stopped["ranked"]

    status, output = run_to_its_end(tmp_path, lists, out, engine="fake")
    assert status == 1, output
    assert summary(out)["complete"]
    assert summary(out)["rows"] == 242

    whole = tmp_path / "whole"
    run_to_its_end(tmp_path, lists, whole, engine="fake")
    assert ranked(out) == ranked(whole)
    assert [row["id"] for row in ranked(out)] == [row["id"] for row in ROWS]
    assert rejected(out) == rejected(whole)
    assert len(rejected(out)) == 2
    leftovers = ("rows", "ranked", "rejected", "rejected_for", "documents", "tokens")
    assert {name: summary(out)[name] for name in leftovers} == {name: summary(whole)[name] for name in leftovers}
    assert not [*out.glob(".*")]


def test_one_job_at_a_time_writes_to_a_folder(tmp_path):
    """The second is refused while the first works on."""
    lists, out = write_jsonl(tmp_path / "in.jsonl", ROWS), tmp_path / "out"
    with running(tmp_path, lists, out, **SLOW):
        wait_until(lambda: parts(out))
        status, output = run_to_its_end(tmp_path, lists, out, engine="fake")
    assert status == 2
    assert "another job is writing there" in output
