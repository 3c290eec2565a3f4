"""Real servers, started once a session where tests can share them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.contract import ContractClient
from support.keys import FILE_KEY, KEY, SECOND_KEY
from support.scripted_server import ScriptedServer
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.scripted_server import Step


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the matrix of families finds goes into the repository's results only where that is wanted."""
    parser.addoption("--record-families", type=Path, help="file for what each family's model scored, as JSON")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """A function that starts a server for the rest of the session; at its end all stop together, with status 0."""
    servers: list[Server] = []

    def start(name: str, **settings: object) -> Server:
        server = Server(tmp_path_factory.mktemp(name), **settings)
        servers.append(server)
        server.wait_until_ready()
        return server

    try:
        yield start
        for server in servers:
            server.terminate()
        for server in servers:
            assert server.wait() == 0, server.log
    finally:
        for server in servers:
            server.kill()


@pytest.fixture(scope="session")
def service(fleet: Callable[..., Server]) -> Server:
    """A server with the fake engine, default limits and as much logging as there is; it remembers no scores."""
    return fleet("service", engine="fake", cache=False, access_log=True, log_level="debug")


@pytest.fixture(scope="session")
def small_service(fleet: Callable[..., Server]) -> Server:
    """A server with the fake engine and limits low enough to reach."""
    return fleet(
        "small",
        engine="fake",
        cache=False,
        max_body_bytes=1000,
        max_documents=5,
        max_document_chars=100,
        max_query_chars=50,
        max_batch_requests=2,
        max_pair_tokens=33,
        max_queue_tokens=90,
    )


@pytest.fixture(scope="session")
def slow_service(fleet: Callable[..., Server]) -> Server:
    """A server that takes 0.2 s for a pass and 5 ms for each token; 40 tokens go into a pass, 300 into the queue."""
    return fleet(
        "slow",
        engine="fake",
        fake_batch_delay_ms=200,
        fake_token_delay_us=5000,
        max_batch_tokens=40,
        max_queue_tokens=300,
        cache=False,
    )


@pytest.fixture(scope="session")
def remembering_service(fleet: Callable[..., Server]) -> Server:
    """A server with the fake engine that remembers scores, as is the default; 40 ms for a pass."""
    return fleet("remembering", engine="fake", fake_batch_delay_ms=40)


@pytest.fixture(scope="session")
def starter_service(fleet: Callable[..., Server]) -> Server:
    """A server with the model that ships."""
    return fleet("starter")


@pytest.fixture(scope="session")
def guarded_service(fleet: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server with API keys, strict names of models, and pages of one origin."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"{FILE_KEY}\n")
    return fleet(
        "guarded",
        engine="fake",
        cache=False,
        api_keys=f"{KEY}, {SECOND_KEY}",
        api_keys_file=file,
        metrics_need_key=True,
        served_model_name="served",
        strict_model=True,
        cors_origins="https://app.example",
        header_timeout_s=1,
        max_header_bytes=4096,
        max_request_tokens=100,
        overflow="chunk",
        query_overflow="truncate",
        max_pair_tokens=32,
        log_level="debug",
        access_log=True,
    )


def _client_of(service: str, **options: object) -> Callable[..., Iterator[ContractClient]]:
    """A fixture: a client of that fixture's server, which checks every answer against the OpenAPI document."""

    @pytest.fixture
    def client(request: pytest.FixtureRequest) -> Iterator[ContractClient]:
        with ContractClient(request.getfixturevalue(service).url, **options) as client:
            yield client

    return client


client = _client_of("service")
small_client = _client_of("small_service")
slow_client = _client_of("slow_service")
remembering_client = _client_of("remembering_service")
starter_client = _client_of("starter_service")
guarded_client = _client_of("guarded_service", headers={"authorization": f"Bearer {KEY}"})


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """A function that starts a server which answers by the given script."""
    servers: list[ScriptedServer] = []

    def start(*script: Step) -> ScriptedServer:
        servers.append(ScriptedServer(*script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
