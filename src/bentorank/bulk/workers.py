"""What whoever runs a job has to say of it, and hears of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from bentorank.bulk.errors import BulkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bentorank.engines.protocol import EngineInfo


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run tells while it goes on, and what it is told.

    It has `began`, a model is `loaded`, rows and places are done; `begun_with` is the model of rows before.
    """

    began: Callable[[], None]
    loaded: Callable[[Loaded], None]
    advanced: Callable[[int, int], None]
    is_stopping: Callable[[], bool]
    begun_with: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model as it is loaded; scores depend on the `fingerprint` alone, and what is pruned on that of `pruned_by`.

    That is the other model that is its first stage, if one is.
    """

    model: str
    engine: str
    device: str
    precision: str
    fingerprint: str
    pruned_by: Loaded | None = None

    @classmethod
    def of(cls, info: EngineInfo, pruned_by: Loaded | None = None) -> Self:
        """What an engine says of itself."""
        return cls(info.model, info.engine, info.device, info.precision, info.fingerprint, pruned_by)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """What `as_json` said."""
        pruned_by = said.get("pruned_by")
        return cls(**{**said, "pruned_by": None if pruned_by is None else cls.from_json(pruned_by)})

    def as_json(self) -> dict[str, Any]:
        """By name."""
        return asdict(self)

    def check_same(self, begun_with: Mapping[str, Any]) -> None:
        """Raises BulkError where rows before were ranked by another model, engine or precision."""
        before, now = begun_with.get("pruned_by"), self.pruned_by
        for own, begun in ((self, begun_with), (now, before)):
            if own is not None and begun is not None and own.fingerprint != begun["fingerprint"]:
                raise BulkError(
                    f"--out was begun with {_shown(begun)}, and this is {_shown(own.as_json())}: scores would not"
                    " compare; choose another --out"
                )


def _shown(loaded: Mapping[str, Any]) -> str:
    return f"{loaded['model']}, {loaded['engine']} {loaded['precision']} ({loaded['fingerprint'][:8]})"
