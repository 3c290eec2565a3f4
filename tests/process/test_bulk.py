"""`bentorank bulk` as a process that is stopped and killed on its way, and goes on."""

from __future__ import annotations

import signal

import pytest
from support.bulk_lists import bulk, make_rows, ranked, rejected, summary, write_jsonl
from support.bulk_process import SLOW, parts, running
from support.server import wait_until

pytestmark = pytest.mark.process

ROWS = make_rows(240)


def test_a_job_that_is_stopped_and_killed_has_each_row_once(tmp_path, monkeypatch):
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

    monkeypatch.setenv("BENTORANK_MAX_BATCH_TOKENS", str(SLOW["max_batch_tokens"]))
    done = bulk("--in", lists, "--out", out)
    assert done.exit_code == 1, done.output
    assert summary(out)["complete"]
    assert summary(out)["rows"] == 242

    whole = tmp_path / "whole"
    bulk("--in", lists, "--out", whole)
    assert ranked(out) == ranked(whole)
    assert [row["id"] for row in ranked(out)] == [row["id"] for row in ROWS]
    assert rejected(out) == rejected(whole)
    assert len(rejected(out)) == 2
    counted = ("rows", "ranked", "rejected", "rejected_for", "documents", "tokens")
    assert {name: summary(out)[name] for name in counted} == {name: summary(whole)[name] for name in counted}
    assert not [*out.glob(".*")]
