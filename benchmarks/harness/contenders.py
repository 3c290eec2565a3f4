"""The servers and programs that are compared, by name. Add a peer here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from benchmarks.harness.contender import Contender, Program
from benchmarks.peers.contenders import PEER_PROGRAMS, PEER_SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterable

TUTORIAL = Contender(
    name="tutorial",
    command=(
        *(sys.executable, "-m", "uvicorn", "benchmarks.baselines.tutorial_fastapi:app"),
        *("--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"),
    ),
    environment={"MODEL": "{model}", "HF_HUB_OFFLINE": "1"},
    ready_path="/health",
)

# Rounds repeat their requests: remembered scores would be measured, not computed ones.
FRESH_SCORES = {"BENTORANK_CACHE": "false"}

# A closed loop of many clients is a queue that stands, which a service sheds unless told that it is wanted.
BULK = {"BENTORANK_TARGET_WAIT_S": "3600"}

BENTORANK = Contender(
    name="bentorank",
    command=(str(Path(sys.executable).with_name("bentorank")), "serve", "--port", "{port}"),
    environment={"BENTORANK_MODEL": "{model}", **FRESH_SCORES, **BULK},
    ready_path="/readyz",
)

MAKE_SERVE = Contender(
    name="make serve",
    command=("make", "serve", "PORT={port}"),
    environment={"BENTORANK_MODEL": "{model}"},
    ready_path="/readyz",
)

BARE_ENGINE = Program(
    name="bare engine",
    command=(sys.executable, "-m", "benchmarks.harness.bare_engine", "--clients", "{clients}"),
    environment={"BENTORANK_MODEL": "{model}"},
)

CONTENDERS = {contender.name: contender for contender in (TUTORIAL, BENTORANK, *PEER_SERVERS)}
PROGRAMS = {program.name: program for program in PEER_PROGRAMS}


def servers_named(names: Iterable[str]) -> list[Contender]:
    """The servers among them. Raises typer.BadParameter for a name that is neither a server nor a program."""
    names = list(names)
    if unknown := set(names) - CONTENDERS.keys() - PROGRAMS.keys():
        known = ", ".join((*CONTENDERS, *PROGRAMS))
        raise typer.BadParameter(f"no contender {', '.join(sorted(unknown))}; there are {known}")
    return [CONTENDERS[name] for name in names if name in CONTENDERS]


def programs_named(names: Iterable[str]) -> list[Program]:
    """The programs among them."""
    return [PROGRAMS[name] for name in names if name in PROGRAMS]
