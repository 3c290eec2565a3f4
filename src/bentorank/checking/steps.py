"""What the processes of a check tell the one that started them: a line of JSON a step, by the step's name."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the settings came to. `reads` is what the model reads of an example, `in_s` what loading took."""

    engine: str
    device: str
    precision: str
    window_tokens: int
    activation: str
    padding_free: bool
    takes_instruction: bool
    streams: int
    batch_tokens: int
    in_s: float
    reads: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes. Of the process on a CPU, of the device on a GPU: what the loaded model takes, what full batches add to
    it, the most that there was, and what there is. `longest_tokens` is the longest pair that was tried.
    """

    model_bytes: int
    batches_bytes: int
    peak_bytes: int
    usable_bytes: int
    longest_tokens: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Of a short burst of full batches on texts of mixed lengths, without tokenising; padding does not count."""

    tokens_per_s: float
    pairs_per_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """Logits of the texts of a check, and the token ids that were read, where a reference shall read the same."""

    logits: tuple[float, ...]
    tokens: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there will be no further step, in one sentence."""

    reason: str


Step: TypeAlias = Loaded | Memory | Speed | Scored | Refused

_KINDS: dict[str, type[Step]] = {kind.__name__: kind for kind in (Loaded, Memory, Speed, Scored, Refused)}


def say(step: Step) -> None:
    """On standard output."""
    sys.stdout.write(json.dumps({type(step).__name__: asdict(step)}) + "\n")
    sys.stdout.flush()


def heard(line: str) -> Step | None:
    """The step of a line; None of any other, since loaders of models print, too."""
    if not line.startswith("{"):
        return None
    [(name, fields)] = json.loads(line).items()
    return _KINDS[name](**{field: _tuples(value) for field, value in fields.items()})


def _tuples(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
