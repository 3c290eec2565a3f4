"""Contenders are found by name, asked in their dialect, and counted alike."""

from __future__ import annotations

import orjson
import pytest
import typer

from benchmarks.harness.contender import Contender, Program, native_body, pairs_body
from benchmarks.harness.contenders import programs_named, servers_named
from benchmarks.harness.request_sets import Request
from benchmarks.harness.scoring_process import run_program
from benchmarks.harness.servers import ServerError, run_server
from benchmarks.load.exchange import Exchanges

REQUEST = Request("owls", ("hunt\nat night", "bake"))


def test_bodies_are_one_line_each() -> None:
    """The load generator takes a body a line."""
    assert orjson.loads(native_body(REQUEST)) == {"query": "owls", "documents": ["hunt\nat night", "bake"]}
    assert orjson.loads(pairs_body(REQUEST)) == {"pairs": [["owls", "hunt\nat night"], ["owls", "bake"]]}
    assert b"\n" not in native_body(REQUEST) + pairs_body(REQUEST)


def test_scores_count_as_results_do() -> None:
    """BentoML's services answer with bare numbers."""
    assert Exchanges(answers=[b"[0.5, -1.25]", b'{"results": [{"index": 0}]}', b'[{"index": 0}]']).results() == 4


def test_names_choose_servers_and_programs() -> None:
    """In the order in which they are given; a wrong name is told with the right ones."""
    names = ["infinity-optimum", "cross-encoder-bf16", "bentorank"]
    assert [server.name for server in servers_named(names)] == ["infinity-optimum", "bentorank"]
    assert [program.name for program in programs_named(names)] == ["cross-encoder-bf16"]
    with pytest.raises(typer.BadParameter, match="no contender infinty; there are tutorial, bentorank"):
        servers_named(["infinty"])


def test_a_peer_that_is_not_installed_says_so() -> None:
    """With where to read on."""
    with (
        pytest.raises(ServerError, match="gone is not installed: see 'Peers'"),
        run_server(Contender("gone", ("/nowhere/peer",), "/"), "model"),
    ):
        pass
    with (
        pytest.raises(ServerError, match="gone is not installed"),
        run_program(Program("gone", ("/nowhere/peer",)), "model", 1),
    ):
        pass


def test_a_server_loads_what_is_prepared_for_it() -> None:
    """Its command names the prepared folder, not the one that all share."""
    contender = Contender("picky", ("sh", "-c", "echo loads {model}; exit 3"), "/", prepare_model="{}-int8".format)
    with pytest.raises(ServerError, match="loads starter-int8"), run_server(contender, "starter"):
        pass
