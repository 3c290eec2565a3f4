"""A session of run-clients: which cases belong to the environment, the server under test, and what was sent to it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from published import Service
from recording import RecordingProxy
from support.server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ENVIRONMENT = os.environ["CLIENTS_ENVIRONMENT"]
SERVER = (os.environ["CLIENTS_SERVER"], "serve")
IS_RECORDING = bool(os.environ["CLIENTS_RECORD"])
KEY = "a-key-of-the-tests"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
hosts_called: set[str] = set()


# Where `run-clients` installs the JavaScript clients.
PACKAGES = HERE.parents[1] / f".venv-clients-{ENVIRONMENT}" / "javascript"
# What the JavaScript clients stand on, and are not themselves.
FOUNDATIONS = {"ai", "@langchain/core"}


def _pinned_clients() -> dict[str, str]:
    """Version by distribution: every `name==version` of the environment's requirements, or package.json's."""
    if ENVIRONMENT == "javascript":
        packages = json.loads((HERE / "javascript" / "package.json").read_text())["dependencies"]
        return {f"npm:{name}": version for name, version in packages.items() if name not in FOUNDATIONS}
    lines = (HERE / f"requirements-{ENVIRONMENT}.txt").read_text().splitlines()
    requirements = (line.partition("#")[0].strip() for line in lines)
    return dict(requirement.split("==") for requirement in requirements if "==" in requirement)


PINNED = _pinned_clients()


def _stay_on_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse any address but loopback, and remember it: the client may swallow the refusal."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in LOOPBACK:
        hosts_called.add(host)
        raise ConnectionRefusedError(f"{host} is not loopback")


sys.addaudithook(_stay_on_loopback)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a case that takes `client` for each of its module's clients."""
    if "client" in metafunc.fixturenames:
        cases = [
            pytest.param(client, marks=pytest.mark.client(client.distribution), id=str(client))
            for client in metafunc.module.CLIENTS
        ]
        metafunc.parametrize("client", cases)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the cases of pinned clients. Each of those must have one, so that none goes untested unseen."""
    mine = [item for item in items if _client_of(item) in PINNED]
    others = [item for item in items if _client_of(item) not in PINNED]
    if untested := PINNED.keys() - {_client_of(item) for item in mine}:
        raise pytest.UsageError(f"no case for {', '.join(sorted(untested))} in the files that were asked for")
    config.hook.pytest_deselected(items=others)
    items[:] = mine


def _client_of(item: pytest.Item) -> str:
    (marker,) = item.iter_markers("client")
    return marker.args[0]


@pytest.fixture(autouse=True)
def _nobody_else_is_called() -> Iterator[None]:
    """A client talks to the service alone: no telemetry, no download."""
    yield
    called = sorted(hosts_called)
    hosts_called.clear()
    assert not called


@pytest.fixture(scope="session")
def keyed_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The shipped model behind a key."""
    with running_server(tmp_path_factory.mktemp("keyed"), SERVER, api_keys=KEY, cache=False) as server:
        yield Service(server.url, KEY)


@pytest.fixture(scope="session")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server that asks for no key, for clients that cannot send one. The fake engine finds words of the query."""
    with running_server(tmp_path_factory.mktemp("open"), SERVER, engine="fake", cache=False) as server:
        yield Service(server.url, "")


@pytest.fixture(scope="session")
def recording(request: pytest.FixtureRequest) -> Iterator[RecordingProxy | None]:
    """Where the requests go first if they are to be recorded, which a failure prevents."""
    if not IS_RECORDING:
        yield None
        return
    with RecordingProxy(KEY) as proxy:
        yield proxy
    if not request.session.testsfailed:
        proxy.save(HERE / "recorded_requests.json", ENVIRONMENT)


@pytest.fixture
def service(request: pytest.FixtureRequest, recording: RecordingProxy | None) -> Service:
    """The service that the case's client is pointed at: behind a key unless the client cannot send one."""
    client = request.node.callspec.params.get("client") if hasattr(request.node, "callspec") else None
    is_keyless = client is not None and client.is_keyless
    service = request.getfixturevalue("open_service" if is_keyless else "keyed_service")
    if recording is None:
        return service
    distribution = _client_of(request.node)
    recording.forward_to(service.url, client=distribution, version=PINNED[distribution])
    return Service(recording.url, service.key)
