"""deploy/compose: as compose reads it, it obeys its schema and our rules, and the secrets fit together."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import os
import re
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import redis
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator
from redis.exceptions import NoPermissionError
from support.compose_rules import RULES, Project
from support.redis_server import redis_program
from support.server import BIN, REPOSITORY, free_port, wait_until

import bentorank
from bentorank.cache import document_keys, open_cache
from bentorank.settings import CLIENT_NAMES, Settings, environment_name
from bentorank.types import LengthPolicy, Pair, ScoredChunk, ScoredDocument
from bentorank.wiring import cache_options, key_ring

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER = REPOSITORY / "deploy" / "compose"
PASSWORD = {"GRAFANA_ADMIN_PASSWORD": "not-one-that-everybody-knows"}
GPU = ("compose.yaml", "compose.gpu.yaml")
# Enough of podman for podman-compose to read files.
PODMAN = "#!/bin/sh\necho podman version 5.4.0\n"


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """What `podman-compose config` makes of files, with nothing but these variables set."""
    folder = tmp_path_factory.mktemp("podman")
    podman = folder / "podman"
    podman.write_text(PODMAN)
    podman.chmod(0o755)

    def config(*files: str, **variables: str) -> subprocess.CompletedProcess[str]:
        options = [word for file in files or ("compose.yaml",) for word in ("-f", file)]
        return subprocess.run(
            [str(BIN / "podman-compose"), "--env-file", os.devnull, *options, "config"],
            cwd=FOLDER,
            env={"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return config


@pytest.fixture(scope="session")
def projects(compose) -> dict[tuple[str, ...], Project]:
    """By the files they are made of."""
    made = {}
    for files in (("compose.yaml",), GPU):
        done = compose(*files, **PASSWORD)
        assert done.returncode == 0, done.stderr
        made[files] = Project(yaml.safe_load(done.stdout), FOLDER)
    return made


@pytest.fixture
def project(projects) -> Project:
    """One to spoil."""
    return copy.deepcopy(projects["compose.yaml",])


@pytest.mark.parametrize("files", [("compose.yaml",), GPU], ids=len)
def test_it_keeps_to_the_compose_specification(projects, files):
    """What variables and overrides make of it, against the published schema that check-jsonschema carries."""
    validator = Draft202012Validator(get_builtin_schema("vendor.compose-spec"))
    assert [error.message for error in validator.iter_errors(projects[files].model)] == []
    assert list(validator.iter_errors({"services": {"redis": {"imago": "redis"}}}))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("files", [("compose.yaml",), GPU], ids=len)
def test_it_obeys_every_rule(projects, files, rule):
    """With a GPU as without."""
    assert list(RULES[rule](projects[files])) == []


def without(service: str, *path: str) -> Callable[[dict[str, Any]], None]:
    """Removes what is at `path` of a service."""

    def spoil(model: dict[str, Any]) -> None:
        inner = model["services"][service]
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return spoil


def having(service: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    """Sets keys of a service; dictionaries are added to."""

    def spoil(model: dict[str, Any]) -> None:
        for key, value in values.items():
            there = model["services"][service].get(key)
            model["services"][service][key] = (
                there | value if isinstance(there, dict) and isinstance(value, dict) else value
            )

    return spoil


def public(network: str) -> Callable[[dict[str, Any]], None]:
    """Opens a network."""
    return lambda model: model["networks"][network].pop("internal")


SPOILT = [
    ("unlimited", without("redis", "deploy", "resources", "limits", "memory")),
    ("unlimited", without("bentorank", "deploy", "resources", "limits", "pids")),
    ("unlimited", without("grafana", "logging", "options", "max-size")),
    ("powerful", having("grafana", user="root")),
    ("powerful", without("redis", "user")),
    ("powerful", having("bentorank", privileged=True)),
    ("powerful", having("bentorank", cap_add=["SYS_ADMIN"])),
    ("powerful", without("prometheus", "cap_drop")),
    ("powerful", without("prometheus", "security_opt")),
    ("powerful", having("redis", read_only=False)),
    ("published", having("redis", ports=["127.0.0.1:6379:6379"])),
    ("published", having("bentorank", ports=["3000:3000"])),
    ("published", having("bentorank", ports=["0.0.0.0:3000:3000"])),
    ("published", without("grafana", "ports")),
    ("reachable", public("cache")),
    ("reachable", having("prometheus", networks=["metrics", "edge"])),
    ("unpinned", having("redis", image="docker.io/valkey/valkey:8")),
    ("unpinned", having("grafana", image="docker.io/grafana/grafana:latest")),
    ("unattended", without("redis", "healthcheck")),
    ("unattended", having("grafana", depends_on=["prometheus"])),
    ("unattended", having("prometheus", restart="no")),
    ("unattended", without("grafana", "stop_grace_period")),
    ("impatient", having("bentorank", stop_grace_period="30s")),
    ("impatient", having("bentorank", environment={"BENTORANK_DRAIN_S": "20"})),
    ("impatient", without("bentorank", "environment", "BENTORANK_REQUEST_TIMEOUT_S")),
    ("impatient", without("bentorank", "deploy", "update_config")),
    ("unknown_settings", having("bentorank", environment={"BENTORANK_KEYS": "x"})),
    ("indiscreet", having("grafana", environment={"GF_SECURITY_ADMIN_PASSWORD": "admin"})),
    ("indiscreet", having("grafana", environment={"GF_SECURITY_ADMIN_USER": "admin"})),
    ("indiscreet", having("bentorank", environment={"BENTORANK_CACHE_URL": "redis://:hunter2@redis"})),
    ("indiscreet", having("redis", command=["valkey-server", "--requirepass", "x"])),
    ("absent_files", having("redis", volumes=[{"type": "bind", "source": "./nowhere", "target": "/x"}])),
    ("absent_files", having("redis", volumes=[{"type": "bind", "source": "./redis", "target": "/x"}])),
    ("absent_files", having("grafana", volumes=["elsewhere:/var/lib/grafana"])),
    ("absent_files", having("redis", secrets=["unknown"])),
    ("cramped_cache", having("redis", deploy={"resources": {"limits": {"memory": "256m", "cpus": 1, "pids": 9}}})),
]


@pytest.mark.parametrize(("rule", "spoil"), SPOILT, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(SPOILT)])
def test_each_rule_sees_what_breaks_it(project, rule, spoil):
    """A rule that nothing breaks would be no rule."""
    spoil(project.model)
    assert list(RULES[rule](project))


def test_without_a_password_for_grafana_nothing_starts(compose):
    """There is no default: compose says what to set."""
    done = compose()
    assert done.returncode != 0
    assert "GRAFANA_ADMIN_PASSWORD" in done.stdout + done.stderr


def test_the_image_is_the_version_of_this_checkout(projects):
    """Which is how `make image` names it."""
    images = [project.services["bentorank"]["image"] for project in projects.values()]
    assert images == [f"bentorank:{bentorank.__version__}", f"bentorank:{bentorank.__version__}-gpu"]


def test_ports_addresses_and_sizes_can_be_chosen(compose):
    """By the variables that .env.example names."""
    chosen = {"RERANK_BIND": "192.0.2.1", "RERANK_PORT": "8080", "RERANK_CPUS": "8", "RERANK_IMAGE": "r.example/b:1"}
    service = yaml.safe_load(compose(**PASSWORD, **chosen).stdout)["services"]["bentorank"]
    assert service["ports"] == ["192.0.2.1:8080:3000"]
    assert str(service["deploy"]["resources"]["limits"]["cpus"]) == "8"
    assert service["image"] == "r.example/b:1"


def test_the_example_names_every_variable_and_no_other():
    """So that there is none to be found by reading compose.yaml."""
    asked_for = {name for file in GPU for name in re.findall(r"\$\{(\w+)", (FOLDER / file).read_text())}
    named = set(re.findall(r"^#?([A-Z_]+)=", (FOLDER / ".env.example").read_text(), flags=re.MULTILINE))
    assert named == asked_for


def test_every_setting_that_is_named_exists():
    """In the scripts and the documentation beside them, too."""
    known = {environment_name(field) for field in Settings.model_fields} | CLIENT_NAMES
    deploy = REPOSITORY / "deploy"
    files = [
        *deploy.glob("*.sh"),
        *(path for path in FOLDER.rglob("*") if path.is_file() and "secrets" not in path.parts),
    ]
    named = {name for file in files for name in re.findall(r"\bBENTORANK_[A-Z_]+\b", file.read_text())}
    assert named
    assert named <= known


def test_the_panels_and_rules_are_where_they_are_mounted():
    """And Grafana finds no other JSON there, nor a folder that Prometheus' configuration is not in."""
    deploy = REPOSITORY / "deploy"
    assert (deploy / "prometheus" / "prometheus.yml").is_file()
    assert (deploy / "prometheus" / "rules.yml").is_file()
    assert [path.name for path in (deploy / "grafana").rglob("*.json")] == ["bentorank.json"]


# The page beside it


def test_the_page_names_what_is_there(projects):
    """Links and scripts; and how long stopping takes, from what, and what Redis keeps."""
    page = (FOLDER / "README.md").read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)", page)
    scripts = re.findall(r"\bdeploy/[\w/-]+(?:\.sh)?(?= |$)", page, flags=re.MULTILINE)
    assert [link for link in links if not (FOLDER / link).exists()] == []
    assert [name for name in scripts if not os.access(REPOSITORY / name, os.X_OK)] == []
    service = projects["compose.yaml",].services["bentorank"]
    timing = service["environment"]
    assert f"up to {service['stop_grace_period'].removesuffix('s')} s: {timing['BENTORANK_DRAIN_S']} s in which" in page
    assert f"{timing['BENTORANK_REQUEST_TIMEOUT_S']} s for the longest request" in page
    memory = re.search(r"^maxmemory (\d+)mb$", (FOLDER / "redis" / "redis.conf").read_text(), flags=re.MULTILINE)[1]
    assert f"Redis is a cache: {memory} MB" in page


# Secrets


@pytest.fixture(scope="session")
def secrets(tmp_path_factory) -> Path:
    """A copy of the folder in which make-secrets has run."""
    folder = tmp_path_factory.mktemp("compose") / "compose"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("secrets", ".env"))
    subprocess.run([str(folder / "make-secrets")], check=True, capture_output=True, timeout=30)
    return folder


def test_made_secrets_can_be_read_in_a_container_and_not_by_other_users_here(secrets):
    """Mounted files keep their owner and mode, and the folder before them is not mounted."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (secrets / "secrets").iterdir()}
    assert modes == {"api_keys": 0o644, "cache_url": 0o644, "redis_users": 0o644}
    assert stat.S_IMODE((secrets / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((secrets / ".env").stat().st_mode) == 0o600


def test_made_secrets_are_those_that_are_mounted(secrets, projects):
    """Under the names that compose.yaml has."""
    mounted = {secret["file"] for secret in projects["compose.yaml",].model["secrets"].values()}
    assert mounted == {f"./secrets/{path.name}" for path in (secrets / "secrets").iterdir()}


def test_made_secrets_stay_as_they_are(secrets):
    """A second run changes nothing and says nothing; Redis gets the digest of the password alone."""
    before = {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()}
    done = subprocess.run([str(secrets / "make-secrets")], check=True, capture_output=True, timeout=30)
    assert done.stdout == b""
    assert {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()} == before
    password = re.search(r"bentorank:(\w{64})@redis:6379/0$", (secrets / "secrets" / "cache_url").read_text())[1]
    assert hashlib.sha256(password.encode()).hexdigest() in (secrets / "secrets" / "redis_users").read_text()
    assert (
        len(re.search(r"^GRAFANA_ADMIN_PASSWORD=(\w+)$", (secrets / ".env").read_text(), flags=re.MULTILINE)[1]) == 32
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("redis-cli")),
    reason="needs Debian's redis-server, which brings both",
)
def test_bentorank_and_redis_understand_the_secrets_as_made(secrets, project, tmp_path):
    """A real Redis with that configuration: bentorank remembers in it, strangers get nothing, it is found healthy."""
    port = free_port()
    conf = (secrets / "redis" / "redis.conf").read_text().replace("/run/secrets", str(secrets / "secrets"))
    (tmp_path / "redis.conf").write_text(conf.replace("port 6379", f"port {port}"))
    url = tmp_path / "cache_url"
    url.write_text((secrets / "secrets" / "cache_url").read_text().replace("redis:6379", f"127.0.0.1:{port}"))
    process = subprocess.Popen([redis_program(), str(tmp_path / "redis.conf")], cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers_health_check(project, port), within_s=10)
        settings = Settings(
            cache_bytes=0, cache_url_file=url, api_keys_file=secrets / "secrets" / "api_keys", engine="fake"
        )
        assert key_ring(settings).is_required
        assert asyncio.run(remembered_by_another(settings, documents=300))
        assert_closed_to_others(port, url.read_text().strip())
        assert list(tmp_path.glob("*.rdb")) == []
    finally:
        process.kill()
        process.wait()


async def remembered_by_another(settings: Settings, documents: int) -> bool:
    """Whether one cache finds what another stored, as two instances of bentorank open them."""
    pairs = [Pair("alpha", f"passage {number}") for number in range(documents)]
    keys = document_keys("model", LengthPolicy(), pairs)
    for entries in ([], [(key, ScoredDocument((ScoredChunk(1.0),))) for key in keys]):
        cache = open_cache(cache_options(settings))
        await cache.connect()
        found = await cache.get_many(keys)
        cache.put_many(entries)
        await asyncio.sleep(0.5 if entries else 0)
        (report,) = cache.collect_reports()
        assert (report.is_up, report.errors, report.failed, report.written) == (True, 0, 0, len(entries))
        await cache.close()
        assert found.count(None) == documents
    cache = open_cache(cache_options(settings))
    found = await cache.get_many(keys)
    await cache.close()
    return None not in found


def answers_health_check(project: Project, port: int) -> bool:
    """Whether the health check of compose.yaml, to this port, is content."""
    _, program, *words = project.services["redis"]["healthcheck"]["test"]
    command = [program.replace("valkey-cli", "redis-cli"), "-p", str(port), *words]
    return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0


def assert_closed_to_others(port: int, url: str) -> None:
    """Without the password nothing is answered; with it, nothing but what a cache needs."""
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis(port=port, username="health", password="none") as health, pytest.raises(NoPermissionError):
        health.keys()
    with redis.Redis.from_url(url) as client:
        for command in (client.flushall, client.config_get, client.keys, client.client_list):
            with pytest.raises(NoPermissionError):
                command()
        with pytest.raises(NoPermissionError):
            client.hset("elsewhere", "a", "b")
