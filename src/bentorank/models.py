"""The models that are served, by the names that requests ask for them by."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from bentorank.errors import ModelNotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bentorank.cascade.first_stage import Sifted
    from bentorank.reading import Terms
    from bentorank.reranker import Reranker
    from bentorank.types import Overflow


class Users:
    """Counts those that a model is answering: for as long as each is within the context. Lives on one event loop."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model that answers under `name`, and is found by its `aliases` too.

    `overflow` is what happens to its long documents unless a request says, `first_stage` and `keep` what it need not
    read; the service's settings where they are None.
    Whoever chose it and asks it something is among its `users`, from before the first await until the answer.
    """

    name: str
    reranker: Reranker
    aliases: tuple[str, ...] = ()
    overflow: Overflow | None = None
    first_stage: str | None = None
    keep: int | None = None
    users: Users = field(default_factory=Users)

    async def sift(self, query: str, passages: Sequence[str], terms: Terms) -> Sifted:
        """Score passages as the first stage of another model; see FirstStage."""
        with self.users:
            return await self.reranker.sift(query, passages, terms)


class ServedModels:
    """What is served now; the first that was added is the default. Lives on one event loop, once the service runs."""

    def __init__(self, *models: ServedModel, strict: bool = False, changing: bool = False) -> None:
        """Where names are taken `strict`ly, an unknown one is refused; else it gets the default.

        Where they are `changing`, one that is unknown may have been served by a process before this one.
        """
        self._strict = strict
        self._changing = changing
        self._models: dict[str, ServedModel] = {}
        self._by_name: dict[str, ServedModel] = {}
        self._left: frozenset[str] = frozenset()
        for model in models:
            self.add(model)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter([*self._models.values()])

    def __len__(self) -> int:
        return len(self._models)

    @property
    def default(self) -> ServedModel:
        """The one that requests without a name get. Raises UnavailableError while none is loaded."""
        if not self._models:
            raise UnavailableError("the model is loading", retry_after_s=1)
        return next(iter(self._models.values()))

    @property
    def first_stages(self) -> Mapping[str, ServedModel]:
        """All, by their names and aliases; it changes as models come and go."""
        return MappingProxyType(self._by_name)

    @property
    def names(self) -> list[str]:
        """Of all, the default first, without aliases."""
        return [*self._models]

    def add(self, model: ServedModel) -> None:
        """Serve one more."""
        assert not self._by_name.keys() & {model.name, *model.aliases}, "bug: two models of one name"
        self._models[model.name] = model
        names = (model.name, *model.aliases)
        self._by_name |= dict.fromkeys(names, model)
        self._left -= {*names}

    def remove(self, name: str) -> ServedModel:
        """Serve one no more: requests that come from now on and name it are refused, and not given to the default."""
        model = self._models.pop(name)
        self._left |= {model.name, *model.aliases}
        for known in (model.name, *model.aliases):
            del self._by_name[known]
        return model

    def find(self, name: str) -> ServedModel | None:
        """The one of that name or alias."""
        return self._by_name.get(name)

    def choose(self, name: str | None) -> ServedModel:
        """The one that a request asks for by `name`, or the default.

        Raises ModelNotFoundError for one that was served and is no more, and where names are taken strictly and this is
        none; UnavailableError while none is loaded.
        """
        model = self._by_name.get(name) if name else None
        if model is not None:
            return model
        default = self.default
        if name and (self._strict or name in self._left):
            raise ModelNotFoundError(self._not_found(), field="model")
        return default

    def warnings_of(self, name: str | None) -> tuple[str, ...]:
        """What is to be told to who has asked by `name`: where there are several, that it is none of theirs.

        Of one model alone any name is as good: clients of other services must name one.
        """
        several = self._changing or len(self._models) > 1
        if not name or not several or name in self._by_name:
            return ()
        return ("model: no such name is served here, and the default answered",)

    def _not_found(self) -> str:
        if len(self._models) == 1:
            return "model: not loaded here; GET /v1/models names the one that is"
        return f"model: not served here; there are {', '.join(self.names)}"
