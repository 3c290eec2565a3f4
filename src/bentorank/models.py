"""The models that are served, by the names that requests ask for them by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.errors import ModelNotFoundError, UnavailableError
from bentorank.types import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.reading import Terms
    from bentorank.reranker import Reranker
    from bentorank.types import Overflow, Scores


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model that answers under `name`, and is found by its `aliases` too.

    `overflow` is what happens to its long documents unless a request says; the service's setting where it is None.
    """

    name: str
    reranker: Reranker
    aliases: tuple[str, ...] = ()
    overflow: Overflow | None = None

    async def score(self, query: str, passages: Sequence[str], terms: Terms) -> Scores:
        """The logit of each passage for the query, by the same queue, cache and device as any request's.

        The work is a caller's further one where `terms` are `let_in`. Raises as Reranker.rerank does.
        """
        return await self.reranker.score_all([Pair(query, passage) for passage in passages], terms)


class ServedModels:
    """What is served now; the first that was added is the default. Lives on one event loop, once the service runs."""

    def __init__(self, *models: ServedModel, strict: bool = False) -> None:
        """Where names are taken `strict`ly, an unknown one is refused; else it gets the default."""
        self._strict = strict
        self._models: dict[str, ServedModel] = {}
        self._by_name: dict[str, ServedModel] = {}
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
    def names(self) -> list[str]:
        """Of all, the default first, without aliases."""
        return [*self._models]

    def add(self, model: ServedModel) -> None:
        """Serve one more."""
        assert not self._by_name.keys() & {model.name, *model.aliases}, "bug: two models of one name"
        self._models[model.name] = model
        self._by_name |= dict.fromkeys((model.name, *model.aliases), model)

    def remove(self, name: str) -> ServedModel:
        """Serve one no more: requests that come from now on do not find it."""
        model = self._models.pop(name)
        self._by_name = {known: served for known, served in self._by_name.items() if served is not model}
        return model

    def find(self, name: str) -> ServedModel | None:
        """The one of that name or alias."""
        return self._by_name.get(name)

    def choose(self, name: str | None) -> ServedModel:
        """The one that a request asks for by `name`, or the default.

        Raises ModelNotFoundError where names are taken strictly and this is none, and UnavailableError while none is
        loaded.
        """
        model = self._by_name.get(name) if name else None
        if model is not None:
            return model
        default = self.default
        if self._strict and name:
            raise ModelNotFoundError(self._not_found(), field="model")
        return default

    def _not_found(self) -> str:
        if len(self._models) == 1:
            return "model: not loaded here; GET /v1/models names the one that is"
        return f"model: not served here; there are {', '.join(self.names)}"
