"""The log of a real server: one format, whole lines, what is in them and what is not."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.keys import KEY
from support.metrics import Scrape
from support.server import (
    BIN,
    REPOSITORY,
    STOPPED_WITHIN_S,
    Server,
    environment,
    free_port,
    running_server,
    wait_until,
)

CONSOLE_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR|CRITICAL) +\[(supervisor|worker \d)\] "
)
CANARY = "canary-7d1f"
QUESTION = {"query": "alpha", "documents": ["alpha beta", "gamma"]}


def entries(log):
    """Every line of a log in JSON."""
    return [json.loads(line) for line in log.splitlines()]


def ask(url, **body):
    """A rerank request's answer."""
    return httpx2.post(
        f"{url}/rerank", json={"query": "alpha", "documents": ["alpha beta", "gamma"]} | body, timeout=30
    )


@pytest.fixture(scope="module")
def json_server(tmp_path_factory):
    """Two workers that write JSON, also into a file that is renamed every 20,000 bytes."""
    home = tmp_path_factory.mktemp("logs")
    settings = {"engine": "fake", "workers": 2, "log_format": "json", "access_log": True, "cache": False}
    with running_server(
        home, **settings, log_file=home / "rank.log", log_file_max_bytes=20_000, log_file_count=50
    ) as server:
        yield server, home


def test_every_line_is_an_object_from_start_to_end(tmp_path):
    """The supervisor's and the workers', BentoML's too, and those of the end; warnings of failures among them."""
    with running_server(tmp_path, engine="fake", log_format="json", access_log=True) as server:
        poisoned = ask(server.url, documents=["alpha", "[[poison]]"]).headers["x-request-id"]
        httpx2.get(f"{server.url}/nowhere")
        wait_until(lambda: '"event":"answers"' in server.log, within_s=10)
    lines = entries(server.log)
    assert {line["process"] for line in lines} == {"supervisor", "worker 1"}
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", line["time"]) for line in lines)
    assert {"level", "logger", "message", "pid"} <= lines[0].keys()
    told = {line["event"]: line for line in lines if "event" in line and line["process"] == "worker 1"}
    assert [*told] == ["serving", "limits", "access", "cache", "ready"]
    assert (told["serving"]["engine"], told["serving"]["device"]) == ("fake", "cpu")
    assert (told["limits"]["max_documents"], told["access"]["keys"]) == (1000, 0)
    (answers,) = [line for line in lines if line.get("event") == "answers"]
    assert answers["url"] == server.url
    assert any(server.url in line["message"] for line in lines if line["process"] == "supervisor")
    # Of work that failed: what was asked for.
    (failed,) = [line for line in lines if line.get("request_id") == poisoned]
    assert {"status": 500, "dialect": "native", "documents": 2}.items() <= failed.items()


def test_the_access_log_tells_what_was_done_and_what_it_cost(json_server):
    """Route, status, sizes, tokens and the parts of the time; the same request id as the answer has."""
    server, _ = json_server
    answer = ask(server.url)
    (line,) = wait_for(server, answer.headers["x-request-id"])
    expected = {"method": "POST", "route": "/rerank", "status": 200, "dialect": "native", "documents": 2, "pairs": 2}
    assert expected.items() <= line.items()
    assert line["tokens"] == answer.json()["usage"]["total_tokens"]
    assert line["body_bytes"] == int(answer.request.headers["content-length"])
    assert line["duration_ms"] >= line["queue_ms"] + line["tokenize_ms"] + line["inference_ms"] - 1
    assert {"model", "cached_pairs", "truncated_documents", "unscored_documents"} <= line.keys()


def test_scores_of_pairs_are_logged_as_well(json_server):
    """By both routes that give them."""
    server, _ = json_server
    answer = httpx2.post(f"{server.url}/score", json={"text_1": "alpha", "text_2": ["alpha", "beta"]}, timeout=30)
    (line,) = wait_for(server, answer.headers["x-request-id"])
    assert {"dialect": "score", "documents": 2, "pairs": 2}.items() <= line.items()
    assert line["tokens"] == answer.json()["usage"]["total_tokens"]
    assert line["duration_ms"] >= line["queue_ms"] + line["tokenize_ms"] + line["inference_ms"] - 1
    answer = httpx2.post(f"{server.url}/bentoml/score", json={"pairs": [{"query": "a", "passage": "b"}]}, timeout=30)
    (line,) = wait_for(server, answer.headers["x-request-id"])
    assert {"dialect": "bentoml", "documents": 1, "status": 200}.items() <= line.items()


def test_a_refused_request_has_its_code_and_nothing_of_its_texts(json_server):
    """Neither paths, methods, queries, documents nor models that callers make up stand in any line."""
    server, home = json_server
    httpx2.request("POST", f"{server.url}/{CANARY}?{CANARY}={CANARY}", headers={"user-agent": CANARY})
    httpx2.request(CANARY.upper(), f"{server.url}/rerank")
    ask(server.url, query=CANARY, documents=[f"{CANARY}\nforged line"], model=CANARY)
    answer = ask(server.url, documents=[CANARY, 3])
    (line,) = wait_for(server, answer.headers["x-request-id"])
    assert line["status"] == answer.status_code
    assert line["code"] == answer.json()["code"]
    written = server.log + "".join(path.read_text() for path in home.glob("rank.log*"))
    assert CANARY not in written.lower()


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq (Debian: jq)")
def test_the_documentations_questions_are_answered_by_jq(json_server):
    """What it gives for a terminal finds what is in the file."""
    server, home = json_server
    refused = ask(server.url, documents=[]).headers["x-request-id"]
    wait_until(lambda: refused in (home / "rank.log").read_text(), within_s=10)
    commands = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs" / "logs.md").read_text(), re.DOTALL)
    slow, codes = [
        subprocess.run(["sh", "-ec", command.replace("> 500", "> 0")], cwd=home, stdout=subprocess.PIPE, check=True)
        for command in commands
    ]
    assert json.loads(slow.stdout.splitlines()[0]).keys() >= {"request_id", "queue_ms", "tokens"}
    assert re.search(rb"\d+ /rerank \w+", codes.stdout)


def test_probes_that_go_well_are_not_logged(json_server):
    """They come every few seconds and say nothing."""
    server, _ = json_server
    httpx2.get(f"{server.url}/metrics")
    answer = ask(server.url)
    wait_for(server, answer.headers["x-request-id"])
    assert not [line for line in entries(server.log) if line.get("route") in {"/readyz", "/livez", "/metrics"}]


def test_a_file_that_two_workers_write_loses_and_tears_no_line(json_server):
    """While it is renamed again and again, each of 400 requests has one whole line in one of the files."""
    server, home = json_server
    # Connections that are opened before are the first worker's alone.
    wait_until(lambda: Scrape(server.url)("rerank_workers_ready") == 2, within_s=20)
    with ThreadPoolExecutor(8) as pool, httpx2.Client(base_url=server.url, timeout=30) as client:
        answers = pool.map(lambda _: client.post("/rerank", json=QUESTION), range(400))
        ids = [answer.headers["x-request-id"] for answer in answers]

    def written():
        return [json.loads(line) for path in home.glob("rank.log*") for line in path.read_text().splitlines()]

    wait_until(lambda: {line.get("request_id") for line in written()} >= set(ids), within_s=20)
    logged = [line["request_id"] for line in written() if "request_id" in line]
    assert len(logged) == len(set(logged))
    assert {line["process"] for line in written() if line.get("request_id") in set(ids)} == {"worker 1", "worker 2"}
    files = [*home.glob("rank.log*")]
    assert len(files) > 3
    assert max(path.stat().st_size for path in files) < 25_000


def wait_for(server, request_id):
    """The access log's lines of a request."""
    wait_until(lambda: request_id in server.log, within_s=10)
    return [line for line in entries(server.log) if line.get("request_id") == request_id]


def test_lines_for_people_have_one_form_and_begin_with_what_is_served(tmp_path):
    """Five lines say what is in force; a file that takes nothing more costs a warning, and no request."""
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    settings = {"engine": "fake", "fake_batch_delay_ms": 60, "cache": False, "api_keys": KEY, "log_file": full}
    sampled = {"access_log": True, "access_log_share": 0, "access_log_slow_s": 0.05}
    with (
        running_server(tmp_path / "home", **settings, **sampled) as server,
        httpx2.Client(base_url=server.url, headers={"x-api-key": KEY}) as client,
    ):
        slow = client.post("/rerank", json=QUESTION)
        late = client.post("/rerank", json=QUESTION, headers={"x-request-timeout": "0.001"})
        quick = client.get("/info")
        assert (slow.status_code, late.status_code, quick.status_code) == (200, 504, 200)
        expected = ("lines are lost", slow.headers["x-request-id"], late.headers["x-request-id"])
        wait_until(lambda: all(part in server.log for part in expected), within_s=10)
        log = server.log
    said = [line for line in log.splitlines() if CONSOLE_LINE.match(line) and "[worker 1] bentorank:" in line]
    assert len(said) == 5
    assert "fake" in said[0]
    assert "one of 1 keys is needed" in said[2]
    assert log.count("lines are lost") <= 2, "one a process"
    assert KEY not in log
    # A share of 0 leaves out what is good and quick.
    assert f"request_id={slow.headers['x-request-id']}" in log
    assert "code=deadline_exceeded" in log
    assert quick.headers["x-request-id"] not in log


def test_a_log_that_nobody_reads_stops_no_request(tmp_path):
    """A container's engine may hold the pipe up; requests and the end of the service wait for it no longer."""
    port = free_port()
    server = subprocess.Popen(
        [str(BIN / "bentorank"), "serve", "--port", str(port)],
        env=environment(tmp_path, engine="fake", access_log=True, log_format="json"),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
            wait_until(lambda: answers(client), every_s=0.1)
            # A pipe takes 64 KiB: some 150 lines.
            assert {client.post("/rerank", json=QUESTION).status_code for _ in range(400)} == {200}
        server.send_signal(signal.SIGTERM)
        assert server.wait(STOPPED_WITHIN_S) == 0
        # What the pipe had room for is whole, but for the line that was being written.
        assert len(entries(b"\n".join(server.stdout.read().splitlines()[:-1]).decode())) > 50
    finally:
        server.kill()
        server.stdout.close()


def answers(client):
    """Whether the service does."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("command", [("bentorank", "serve"), ("bentoml", "serve", "bentorank.service:BentoRank")])
def test_a_log_file_that_cannot_be_written_stops_the_start_with_a_sentence(tmp_path, command):
    """Instead of a service whose log is nowhere."""
    target = tmp_path / "missing" / "rank.log"
    server = Server(tmp_path / "home", [str(BIN / command[0]), *command[1:]], engine="fake", log_file=target)
    try:
        assert server.wait(60) != 0
        assert "BENTORANK_LOG_FILE: No such file or directory" in server.log
        assert "Traceback" not in server.log, server.log
        assert str(target) not in server.log
    finally:
        server.kill()
