"""`bentorank bulk --address` on a Ray of its own, whose actors and driver are killed on the way."""

from __future__ import annotations

import signal

import psutil
import pytest
from support.bulk_lists import make_rows, ranked, rejected, summary, write_jsonl
from support.bulk_process import SLOW, parts, run_to_its_end, running
from support.server import wait_until

pytestmark = [pytest.mark.process, pytest.mark.slow]
pytest.importorskip("ray.data", reason="pip install 'bentorank[bulk]' (in a checkout: pip install -e '.[bulk]')")

ON_RAY = ("--address", "local", "--actors", "2", "--format", "parquet")
ROWS = [*make_rows(300)[:150], {"id": "bad", "query": "", "documents": ["owls"]}, *make_rows(300)[150:]]
BROKEN_AFTER_S = 240


def write_lists(folder):
    """Six files, so that both actors have splits."""
    folder.mkdir()
    for number in range(6):
        write_jsonl(folder / f"{number}.jsonl", ROWS[number * 51 : (number + 1) * 51])
    return folder


def actors(process):
    """The processes that hold a model."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "MapWorker" in " ".join(child.cmdline()[:1])]


def test_killed_actors_and_a_killed_driver_leave_each_row_once(tmp_path):
    """A job on Ray, killed, gone on with on Ray while an actor is killed, has what one process makes of the same."""
    lists, out, whole = write_lists(tmp_path / "in"), tmp_path / "out", tmp_path / "whole"
    with running(tmp_path, lists, out, *ON_RAY, **SLOW) as process:
        wait_until(lambda: len(parts(out)) >= 3, BROKEN_AFTER_S)
        ours = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    # Ray's agents look for their parent now and then; whatever holds a model ends at once.
    _, alive = psutil.wait_procs(ours, timeout=15)
    assert not [child for child in alive if "Agent" not in child.name()]
    killed_at = len(parts(out))

    with running(tmp_path, lists, out, *ON_RAY, **SLOW) as process:
        wait_until(lambda: len(parts(out)) >= killed_at + 2, BROKEN_AFTER_S)
        actors(process)[0].kill()
        output, _ = process.communicate(timeout=BROKEN_AFTER_S)
    assert process.returncode == 1, output
    assert summary(out)["complete"]
    status, output = run_to_its_end(tmp_path, lists, whole, "--format", "parquet", engine="fake")
    assert status == 1, output
    assert ranked(out) == ranked(whole)
    assert [row["id"] for row in ranked(out)] == [row["id"] for row in ROWS if row["query"]]
    assert rejected(out) == rejected(whole)
    counted = ("rows", "ranked", "rejected_for", "documents", "tokens")
    assert {name: summary(out)[name] for name in counted} == {name: summary(whole)[name] for name in counted}


def test_a_job_on_ray_is_stopped_and_gone_on_with_in_one_process(tmp_path):
    """Status 130 after SIGINT; what each of them writes fits the other's, and is pruned by the same first stage."""
    pruned, models = ("--format", "parquet", "--first-stage", "small", "--keep", "1"), "big=a,small=b"
    lists, out, whole = write_lists(tmp_path / "in"), tmp_path / "out", tmp_path / "whole"
    with running(tmp_path, lists, out, *ON_RAY, *pruned, **SLOW, models=models) as process:
        wait_until(lambda: len(parts(out)) >= 3, BROKEN_AFTER_S)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, output
    assert not summary(out)["complete"]
    assert run_to_its_end(tmp_path, lists, out, *pruned, engine="fake", models=models)[0] == 1
    run_to_its_end(tmp_path, lists, whole, *pruned, engine="fake", models=models)
    assert ranked(out) == ranked(whole)
    assert summary(out)["first_stage"] == summary(whole)["first_stage"]
    assert summary(out)["first_stage"]["pruned_documents"] > 0


def test_what_an_actor_cannot_do_is_said_in_a_sentence(tmp_path):
    """Not in one of Ray's tracebacks."""
    lists = write_jsonl(tmp_path / "in.jsonl", make_rows(3))
    command = ("--address", "local", "--model", str(tmp_path / "nowhere"))
    status, output = run_to_its_end(tmp_path, lists, tmp_path / "out", *command)
    assert status == 2
    assert "names a folder that does not exist" in output
    assert "Traceback" not in output


def test_actors_run_no_python_of_the_folder_that_the_job_is_started_in(tmp_path, monkeypatch):
    """Which may be a model's."""
    lists = write_jsonl(tmp_path / "in.jsonl", make_rows(20))
    downloaded = tmp_path / "downloaded"
    downloaded.mkdir()
    ran = tmp_path / "ran"
    for name in ("orjson", "pyarrow", "pandas", "bentorank", "openvino", "tokenizers", "json"):
        (downloaded / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write({name!r})\nraise ImportError\n")
    monkeypatch.chdir(downloaded)
    status, output = run_to_its_end(tmp_path, lists, tmp_path / "out", *ON_RAY, engine="fake")
    assert status == 0, output
    assert not ran.exists(), ran.read_text()
