"""How many actors a cluster is given, and what each has: a GPU, or the cores of a node. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bentorank.bulk.errors import BulkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bentorank.settings import Settings


@dataclass(frozen=True, slots=True)
class ActorPlan:
    """`size` actors with so many CPUs or GPUs each, and the settings that follow from it."""

    size: int
    cpus: int | None = None
    gpus: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def plan_actors(nodes: Sequence[Mapping[str, float]], settings: Settings, asked: int | None) -> ActorPlan:
    """An actor for each GPU there is; without any, one for each node with all of its cores.

    One model with many cores needs less memory than many models, and no less time. `asked` is another number of
    actors. Raises BulkError for more than there is room for.
    """
    if settings.device.startswith("cuda:"):
        raise BulkError(f"device is {settings.device}, but with --address Ray deals out the GPUs: use device cuda")
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    may_use_gpu = settings.engine in ("auto", "torch") and settings.device in ("auto", "cuda")
    if gpus and may_use_gpu:
        return _on_gpus(gpus, asked)
    if settings.device == "cuda":
        raise BulkError("device is cuda, but Ray has no GPU")
    return _on_cpus([int(node.get("CPU", 0)) for node in nodes], settings, asked)


def _on_gpus(gpus: int, asked: int | None) -> ActorPlan:
    if asked is not None and asked > gpus:
        raise BulkError(f"--actors is {asked}, but Ray has {gpus} GPUs")
    return ActorPlan(asked or gpus, gpus=1, settings={"device": "cuda"})


def _on_cpus(cores: Sequence[int], settings: Settings, asked: int | None) -> ActorPlan:
    """Nodes are taken to be as large as the smallest that has cores."""
    usable = [count for count in cores if count]
    if not usable:
        raise BulkError("Ray has no CPU to give")
    a_node = math.ceil((asked or len(usable)) / len(usable))
    threads = min(usable) // a_node
    if not threads:
        raise BulkError(f"--actors is {asked}, but Ray has {sum(usable)} CPUs")
    planned = {} if settings.engine == "fake" else {"device": "cpu", "threads": settings.threads or threads}
    return ActorPlan(asked or len(usable), cpus=threads, settings=planned)
