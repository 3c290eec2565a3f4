"""The log of a run, a JSON line for each request and each sample, written as it goes: what is cut off keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ended:
    """A request: when it was due after the run began, how long it took from there, its kind and status or error."""

    due_s: float
    latency_s: float
    kind: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The service at one moment. `rss_mib`, `descriptors` and `threads` are sums over all of its processes.

    `descriptors` are those beside connections; `cache_mib` is the part of the memory that holds scores.
    """

    at_s: float
    rss_mib: float
    descriptors: int
    connections: int
    threads: int
    tasks: int
    cache_mib: float


@dataclass(frozen=True, slots=True)
class Record:
    """What the log says. `setup` has the machine, the capacity and the rate; `idle` the samples before and after."""

    setup: dict[str, Any]
    ended: list[Ended]
    samples: list[Sample]
    idle: list[Sample]


class Log:
    """Appends; each sample reaches the disk at once, with the requests before it."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")

    def setup(self, setup: dict[str, Any]) -> None:
        """What the run is."""
        self._write({"setup": setup})

    def ended(self, ended: Ended) -> None:
        """A request has ended."""
        self._write({"ended": (round(ended.due_s, 4), round(ended.latency_s, 5), ended.kind, ended.outcome)})

    def sample(self, sample: Sample, *, idle: bool = False) -> None:
        """A look at the service."""
        self._write({"idle" if idle else "sample": asdict(sample)})
        self._file.flush()

    def close(self) -> None:
        """No more."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def read_log(path: Path) -> Record:
    """Everything but a line that was cut off."""
    record = Record({}, [], [], [])
    for line in path.read_bytes().split(b"\n")[:-1]:
        ((name, value),) = orjson.loads(line).items()
        match name:
            case "setup":
                record.setup.update(value)
            case "ended":
                record.ended.append(Ended(*value))
            case "sample":
                record.samples.append(Sample(**value))
            case "idle":
                record.idle.append(Sample(**value))
    return record
