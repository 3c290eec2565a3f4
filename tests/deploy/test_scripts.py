"""smoke.sh against real servers, good and bad; deploy.sh with a stand-in for the engine and real servers behind it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psutil
import pytest
from support.keys import FILE_KEY
from support.scripted_server import status
from support.server import REPOSITORY, free_port, wait_until

import bentorank

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import Server

DEPLOY = REPOSITORY / "deploy"
SMOKE = DEPLOY / "smoke.sh"
CHECKS = ["health", "auth", "rerank", "order", "cohere", "tei", "metrics"]

pytestmark = [pytest.mark.process, pytest.mark.skipif(not shutil.which("curl"), reason="the scripts need curl")]


@pytest.fixture(scope="session")
def key_file(tmp_path_factory) -> Path:
    """Keys as operators write them."""
    file = tmp_path_factory.mktemp("keys") / "api_keys"
    file.write_text(f'# ours\n\n{FILE_KEY}\n"quotes\\and-backslashes"\n')
    return file


@pytest.fixture(scope="session")
def guarded_starter(fleet, key_file) -> Server:
    """A server that ranks with the shipped model, for holders of a key."""
    return fleet("guarded-starter", api_keys_file=key_file, metrics_need_key=True)


@pytest.fixture(scope="session")
def confused(guarded_starter) -> Iterator[int]:
    """The port of that server with its first two documents mistaken for each other: all else is as it should be."""

    class Confusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            connection = HTTPConnection("127.0.0.1", guarded_starter.port, timeout=30)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            text = re.sub(rb'"index":([01])', lambda found: b'"index":%d' % (1 - int(found[1])), answer.read())
            connection.close()
            self.send_response(answer.status)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Confusing)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def smoke(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run smoke.sh, with only these variables of ours set."""
    return subprocess.run(
        [str(SMOKE), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def verdicts(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """By the check's name: ok or FAIL."""
    return {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith(("ok ", "FAIL "))}


def said_of(check: str, done: subprocess.CompletedProcess[str]) -> str:
    """The line of a check."""
    return next(line for line in done.stdout.splitlines() if line.split()[1:2] == [check])


# smoke.sh


def test_a_good_service_passes(starter_service):
    """Open to all: one line a check, status 0, nothing else."""
    done = smoke(starter_service.url + "/")
    assert done.returncode == 0, done.stdout
    assert verdicts(done) == dict.fromkeys(CHECKS, "ok")
    assert len(done.stdout.splitlines()) == len(CHECKS)
    assert done.stderr == ""


def test_a_proxy_for_the_world_is_not_asked_for_this_host(starter_service):
    """As many hosts have one set."""
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    assert smoke(starter_service.url, **proxies).returncode == 0


def test_a_guarded_service_passes_with_a_key(guarded_starter, key_file):
    """From a file; from the environment, one with characters that a quoted string must escape."""
    from_file = smoke("--key-file", key_file, guarded_starter.url)
    assert from_file.returncode == 0, from_file.stdout
    assert "401 without a key" in said_of("auth", from_file)
    from_environment = smoke(guarded_starter.url, BENTORANK_API_KEY='"quotes\\and-backslashes"')
    assert from_environment.returncode == 0, from_environment.stdout


def test_the_example_of_the_page_is_answered(guarded_starter, key_file, tmp_path):
    """With the key that make-secrets would have made."""
    page = (DEPLOY / "compose" / "README.md").read_text()
    (example,) = re.findall(r"^curl .*?^```$", page, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "key").write_text(f"{FILE_KEY}\n")
    example = example.removesuffix("```").replace("http://127.0.0.1:3000", guarded_starter.url)
    example = example.replace("deploy/compose/secrets/api_keys", str(tmp_path / "key"))
    done = subprocess.run(["sh", "-c", example], capture_output=True, timeout=30, check=True)
    assert [result["index"] for result in json.loads(done.stdout)["results"]] == [0, 1]


def test_no_key_stands_in_a_list_of_processes(guarded_starter, key_file):
    """Neither as an argument of the script nor of what it starts; and not in what it prints."""
    process = subprocess.Popen(
        [str(SMOKE), "--key-file", str(key_file), guarded_starter.url], stdout=subprocess.PIPE, text=True
    )
    arguments, curls = set(), 0
    while process.poll() is None:
        for child in _family(process.pid):
            arguments.update(child)
            curls += bool(child) and child[0] == "curl"
    assert curls
    assert not [argument for argument in arguments if FILE_KEY in argument]
    assert FILE_KEY not in process.stdout.read()
    process.stdout.close()


def _family(pid: int) -> list[list[str]]:
    found = []
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
    for process in processes:
        try:
            found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def test_a_service_that_wants_a_key_and_gets_none_fails(guarded_starter):
    """The first line says what to give."""
    done = smoke(guarded_starter.url)
    assert done.returncode == 1
    assert said_of("auth", done) == "FAIL  auth     the service wants a key: give --key-file or BENTORANK_API_KEY"


def test_a_wrong_key_is_said_to_be_one(guarded_starter):
    """And is not repeated."""
    done = smoke(guarded_starter.url, BENTORANK_API_KEY="some-other-key")
    assert done.returncode == 1
    assert said_of("auth", done) == "FAIL  auth     the service does not know this key"
    assert "some-other-key" not in done.stdout + done.stderr


def test_keys_that_are_not_in_force_are_noticed(starter_service, key_file):
    """Who believes a service guarded must hear that it is open."""
    done = smoke("--key-file", key_file, starter_service.url)
    assert done.returncode == 1
    assert "a request without a key should be refused with 401, but got status 200" in said_of("auth", done)
    assert [check for check, verdict in verdicts(done).items() if verdict == "FAIL"] == ["auth"]


def test_a_service_that_ranks_wrongly_fails(confused, key_file):
    """The checks of order see it, those of form do not."""
    done = smoke("--key-file", key_file, f"http://127.0.0.1:{confused}")
    assert done.returncode == 1
    failed = [check for check, verdict in verdicts(done).items() if verdict == "FAIL"]
    assert "order" in failed
    assert set(failed) <= {"order", "cohere", "tei"}
    assert "should be answered by document 1, but document 0 came first" in said_of("order", done)


def test_nothing_that_listens_is_said_in_a_sentence():
    """One check, and the others are not made."""
    url = f"http://127.0.0.1:{free_port()}"
    done = smoke(url)
    assert done.returncode == 1
    assert f"nothing answers at {url} (no answer: curl: (7) " in said_of("health", done)
    assert list(verdicts(done)) == ["health"]


def test_a_busy_service_is_asked_again(scripted):
    """Refused for a moment: no reason to go back to an older version."""
    done = smoke(scripted(status(429), status(200)).url)
    assert said_of("auth", done) == "ok    auth     no key was given, and none is asked for"


def test_something_else_that_listens_fails_every_check(scripted):
    """Its answers are told as they came, and cut."""
    done = smoke(scripted(status(502, b"bad gateway " * 100)).url)
    assert done.returncode == 1
    assert verdicts(done) == dict.fromkeys(CHECKS, "FAIL")
    assert "status 502: bad gateway bad" in said_of("order", done)
    assert max(map(len, done.stdout.splitlines())) < 400


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--key-file"], "--key-file needs a file"),
        (["--key-file", "/nowhere"], "the key file cannot be read: /nowhere"),
        (["--key-file", os.devnull], "the key file has no key in it"),
        (["--keys"], "unknown option --keys"),
        (["http://a", "http://b"], "one BASE_URL at a time"),
    ],
)
def test_wrong_usage_is_told_from_a_failed_check(arguments, sentence):
    """Status 2."""
    done = smoke(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


# deploy.sh


@dataclass
class Host:
    """A checkout's deploy folder and a stand-in for the engine of its host."""

    folder: Path
    state: Path

    def has_image(self, name: str, behaviour: str) -> None:
        """As if it had been built or pulled."""
        (self.state / "images" / name.replace("/", "_").replace(":", "_")).write_text(behaviour)

    def runs(self, behaviour: str) -> None:
        """As if an earlier deployment had started it."""
        (self.state / "container-bentorank").write_text(behaviour)
        (self.state / "container-prometheus").write_text("prometheus")
        self.has_image(IMAGE, behaviour)

    @property
    def running(self) -> str | None:
        """The image of bentorank's container."""
        file = self.state / "container-bentorank"
        return file.read_text().strip() if file.exists() else None

    def image(self, name: str) -> str:
        """What a name means."""
        return (self.state / "images" / name.replace("/", "_").replace(":", "_")).read_text().strip()

    @property
    def told(self) -> list[str]:
        """What the stand-in was told."""
        file = self.state / "told"
        return file.read_text().splitlines() if file.exists() else []

    def start(self, *arguments: str, building: str = "false", **variables: str) -> subprocess.Popen[str]:
        """Run deploy.sh; `building` is the behaviour of the image that its build makes, or false."""
        build = f"echo {building} > {self.state}/images/{IMAGE.replace(':', '_')}" if building != "false" else "false"
        engine = str(REPOSITORY / "tests" / "deploy" / "stand-in-engine")
        return subprocess.Popen(
            [str(self.folder / "deploy.sh"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "STAND_IN": str(self.state),
                "COMPOSE": f"{engine} compose",
                "ENGINE": engine,
                "BUILD": build,
                "WAIT_S": "20",
                **variables,
            },
            # A shell that runs the tests in the background has them, and what they start, ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def deploy(self, *arguments: str, building: str = "false", **variables: str) -> tuple[int, str]:
        """Status and output."""
        process = self.start(*arguments, building=building, **variables)
        output, _ = process.communicate(timeout=90)
        return process.returncode, output


IMAGE = f"bentorank:{bentorank.__version__}"


@pytest.fixture(scope="session")
def deploy_folder(tmp_path_factory, key_file) -> Path:
    """A checkout as far as deploy.sh looks at it, with secrets that the servers below know."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(DEPLOY, root / "deploy", ignore=shutil.ignore_patterns("secrets", ".env"))
    (root / "src" / "bentorank").mkdir(parents=True)
    shutil.copy(REPOSITORY / "src" / "bentorank" / "__init__.py", root / "src" / "bentorank")
    subprocess.run([str(root / "deploy" / "compose" / "make-secrets")], check=True, capture_output=True, timeout=30)
    shutil.copy(key_file, root / "deploy" / "compose" / "secrets" / "api_keys")
    return root / "deploy"


@pytest.fixture
def host(deploy_folder, guarded_starter, confused, tmp_path) -> Host:
    """Images are good, better, wrong (ranks wrongly), silent (never ready) or crashing."""
    for folder in ("images", "addresses"):
        (tmp_path / folder).mkdir()
    nobody = free_port()
    ports = {"good": guarded_starter.port, "better": guarded_starter.port, "wrong": confused}
    for behaviour in ("good", "better", "wrong", "silent", "crashing"):
        (tmp_path / "addresses" / behaviour).write_text(f"0.0.0.0:{ports.get(behaviour, nobody)}\n[::]:1\n")
    return Host(deploy_folder, tmp_path)


def test_the_first_version_is_deployed(host):
    """Built, started, ready, asked; Prometheus reads its rules again."""
    code, output = host.deploy(building="good")
    assert code == 0, output
    assert "this is the first version here" in output
    assert f"deployed: {IMAGE} serves at http://127.0.0.1:" in output
    assert output.count("\nok ") == len(CHECKS)
    assert "compose -f compose.yaml up -d bentorank" in host.told
    assert host.told[-1] == "kill --signal HUP prometheus"


def test_a_better_version_takes_over(host):
    """The one before is kept by name."""
    host.runs("good")
    code, output = host.deploy(building="better")
    assert code == 0, output
    assert (host.running, host.image("bentorank:previous")) == ("better", "good")


def test_the_same_again_changes_nothing(host):
    """Run twice, it is as if it had been run once."""
    assert host.deploy(building="good")[0] == 0
    code, output = host.deploy(building="good")
    assert (code, host.running) == (0, "good"), output
    assert not [line for line in host.told if "--force-recreate" in line]


def test_a_compose_that_does_not_see_a_new_image_is_told(host):
    """Some look at the name alone."""
    host.runs("good")
    (host.state / "compose-is-blind").touch()
    code, output = host.deploy(building="better")
    assert (code, host.running) == (0, "better"), output


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("wrong", "FAIL  order"),
        ("silent", "it is not ready after 1 s"),
        ("crashing", "the container does not stay up (restarting 3)"),
    ],
)
def test_a_version_that_fails_makes_way_for_the_one_before(host, behaviour, sentence):
    """Which is asked as well; the name means it again, and the log of the other was shown."""
    host.runs("good")
    code, output = host.deploy(building=behaviour, WAIT_S="1")
    assert code == 1, output
    assert sentence in output
    assert f"the log of {behaviour}" in output
    assert "the version before serves again" in output
    assert host.running == host.image(IMAGE) == "good"
    assert host.image("bentorank:failed") == behaviour
    assert output.count("ok    order") == 1


def test_a_first_version_that_fails_is_stopped(host):
    """Rather than rank wrongly; it says that there was none before."""
    code, output = host.deploy(building="wrong")
    assert (code, host.running) == (1, None), output
    assert "there was no version before: bentorank is stopped" in output
    assert "compose -f compose.yaml stop bentorank" in host.told


def test_if_the_version_before_fails_too_somebody_is_called(host):
    """Status 3 is the one to wake somebody for."""
    host.runs("crashing")
    code, output = host.deploy(building="wrong")
    assert code == 3, output
    assert "bentorank needs you now" in output


def test_the_very_image_that_ran_is_left_alone(host):
    """There is nothing to go back to."""
    host.runs("wrong")
    code, output = host.deploy(building="wrong")
    assert (code, host.running) == (1, "wrong"), output
    assert "nothing to go back to" in output


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """It is gone afterwards, with all that it started."""
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_interrupted_while_it_waits_it_goes_back(host):
    """Ctrl-C leaves no version behind that nobody has asked."""
    host.runs("good")
    process = host.start(building="silent", WAIT_S="60")
    with ended(process):
        wait_until(lambda: host.running == "silent", within_s=20)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "the version before serves again" in output
    assert host.running == host.image(IMAGE) == "good"


def test_interrupted_while_it_builds_it_changes_nothing(host):
    """What runs was not touched."""
    host.runs("good")
    process = host.start(BUILD=f"touch {host.state}/building; sleep 1")
    with ended(process):
        wait_until((host.state / "building").exists, within_s=20)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, host.running) == (130, "good"), output
    assert "nothing was changed" in output
    assert not [line for line in host.told if " up " in line]


def test_a_build_that_fails_changes_nothing(host):
    """Status 2."""
    host.runs("good")
    code, output = host.deploy()
    assert (code, host.running) == (2, "good"), output
    assert "the image could not be built; nothing was changed" in output


def test_an_image_from_a_registry_is_not_built(host):
    """Where RERANK_IMAGE names one, and after a failure its name means the one before."""
    host.runs("good")
    host.has_image("registry.example/bentorank:1.2", "wrong")
    code, output = host.deploy(building="good", RERANK_IMAGE="registry.example/bentorank:1.2")
    assert (code, host.running) == (1, "good"), output
    assert "building" not in output
    assert host.image("registry.example/bentorank:1.2") == "good"


def test_with_a_gpu_the_overrides_are_used(host):
    """And the image for it; the operator's own override comes last."""
    host.has_image(f"{IMAGE}-gpu", "good")
    override = host.folder / "compose" / "compose.override.yaml"
    override.touch()
    code, output = host.deploy("--gpu", "--no-build")
    override.unlink()
    assert code == 0, output
    assert "compose -f compose.yaml -f compose.gpu.yaml -f compose.override.yaml up -d bentorank" in host.told


@pytest.mark.parametrize("other", ["prometheus", "redis"])
def test_what_is_not_needed_sends_no_good_version_back(host, other):
    """It does not start: bentorank serves, and the status tells."""
    host.runs("good")
    (host.state / f"{other}-is-broken").touch()
    code, output = host.deploy(building="better")
    assert (code, host.running) == (4, "better"), output


def test_two_deployments_do_not_mix(host):
    """The second one does nothing."""
    with (host.folder / "compose" / ".deploy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, output = host.deploy(building="good")
    assert (code, host.running) == (2, None), output
    assert "another deployment is at work" in output


def test_an_engine_that_does_not_answer_is_passed_over(host):
    """A client of Docker without its engine, and podman that works: found by itself."""
    folder = host.state / "bin"
    folder.mkdir()
    stand_in = REPOSITORY / "tests" / "deploy" / "stand-in-engine"
    for name, line in [
        ("docker", "exit 1"),
        ("podman", f'{stand_in} "$@"'),
        ("podman-compose", f'{stand_in} compose "$@"'),
    ]:
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    code, output = host.deploy(building="good", COMPOSE="", ENGINE="", PATH=f"{folder}:{os.environ['PATH']}")
    assert code == 0, output
    assert f"starting {IMAGE} with podman-compose" in output


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"GRAFANA_ADMIN_PASSWORD": "admin"}, "GRAFANA_ADMIN_PASSWORD has fewer than 8 characters"),
        ({"COMPOSE": "false"}, "compose does not accept deploy/compose/compose.yaml"),
        ({"COMPOSE": "", "PATH": "/nowhere"}, "neither docker compose nor podman-compose answers"),
    ],
    ids=["password", "compose", "none"],
)
def test_what_is_wrong_from_the_start_is_said_before_anything_is_changed(host, variables, sentence):
    """Status 2, in a sentence."""
    if "PATH" in variables:
        variables["PATH"] = str(_a_path_without_engines(host.state))
    code, output = host.deploy(building="good", **variables)
    assert code == 2, output
    assert sentence in output
    assert not [line for line in host.told if " up " in line]


def _a_path_without_engines(state: Path) -> Path:
    """A folder of the few programs that the script uses until then."""
    folder = state / "bin"
    folder.mkdir()
    for program in ("sh", "dirname", "cat", "sed", "curl"):
        (folder / program).symlink_to(shutil.which(program))
    return folder


def test_missing_secrets_are_said_with_what_makes_them(host, tmp_path):
    """The first thing that a new host lacks."""
    bare = tmp_path / "bare"
    shutil.copytree(host.folder, bare, ignore=shutil.ignore_patterns("secrets", ".env"))
    code, output = Host(bare, host.state).deploy()
    assert code == 2
    assert "secrets/api_keys is missing: run deploy/compose/make-secrets first" in output


@pytest.mark.parametrize("script", ["deploy.sh", "smoke.sh"])
def test_help_says_what_the_status_means(script):
    """For whoever puts it into a pipeline."""
    done = subprocess.run([str(DEPLOY / script), "--help"], capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout.startswith(f"usage: {script}")
    assert "Exit status" in " ".join(done.stdout.split())
