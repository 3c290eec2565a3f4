"""A job on Ray Data: splits are dealt out to actors, each with a model; their parts come here and are kept here.

Ray's own checkpoints need unique ids and hold all of them in memory, so that the job's own journal is used.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from bentorank import __version__
from bentorank.bulk.actor_plan import plan_actors
from bentorank.bulk.answers import Counts
from bentorank.bulk.errors import BulkError
from bentorank.bulk.extras import pyarrow, ray_data
from bentorank.bulk.inputs import InputFile, Split
from bentorank.bulk.order import FileFormat
from bentorank.bulk.parts import Part, PartMaker, Work
from bentorank.bulk.scoring import BulkScorer
from bentorank.bulk.workers import Loaded
from bentorank.engines.openvino.cores import usable_cores
from bentorank.errors import BentorankError
from bentorank.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bentorank.bulk.order import Order
    from bentorank.bulk.workers import Watch

LOCAL = "local"
# While an actor waits for the last passes of one split it tokenises the next.
SPLITS_AN_ACTOR = 2
LOOK_EVERY_S = 0.5
PARTS_WAITING = 16
# What actors have no use for, and should not be told.
NOT_SENT = {
    "env_file",
    "api_keys",
    "api_keys_file",
    "key_tokens_per_s",
    "key_burst_tokens",
    "metrics_need_key",
    "cache_url",
    "cache_url_file",
}


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Runs a job on the cluster at `address`, or with `local` on this machine; see `plan_actors` for `actors`."""

    address: str
    actors: int | None = None

    def __call__(self, works: Sequence[Work], order: Order, settings: Settings, watch: Watch) -> Iterator[Part]:
        """The parts of all splits, in order within each. Raises BulkError where Ray or an actor fails."""
        data = ray_data()
        with _connected(self.address) as ray:
            plan = plan_actors(_nodes(ray), settings, self.actors)
            watch.began()
            context = data.DataContext.get_current()
            context.enable_progress_bars = False
            # So that each part is handed over when it is done, not with the others of its split.
            context.target_max_block_size = 1
            items = [{"work": _as_text(work)} for work in works]
            parts = data.from_items(items, override_num_blocks=len(items)).map_batches(
                SplitRanker,
                fn_constructor_args=(__version__, _sent(settings, plan.settings), order, watch.begun_with),
                batch_size=1,
                batch_format="pyarrow",
                compute=data.ActorPoolStrategy(
                    size=plan.size,
                    max_tasks_in_flight_per_actor=SPLITS_AN_ACTOR,
                    max_concurrent_calls_per_actor=SPLITS_AN_ACTOR,
                ),
                num_gpus=plan.gpus,
                num_cpus=plan.cpus,
            )
            for table in _Pull(parts).tables(watch):
                for row in table.to_pylist():
                    part, loaded = _as_part(row)
                    watch.loaded(loaded)
                    watch.advanced(part.counts.rows, part.stop - part.start)
                    yield part


class SplitRanker:
    """An actor: a model, and the splits that it is given."""

    def __init__(
        self, version: str, settings: Mapping[str, Any], order: Order, begun_with: Mapping[str, Any] | None
    ) -> None:
        """Raises BulkError where this node would rank otherwise than those before it."""
        if version != __version__:
            raise BulkError(f"a node has bentorank {__version__}, and the job was sent by {version}: install the same")
        self._order = order
        self._scorer = BulkScorer(Settings(**settings), order.limits.max_tokens)
        if begun_with is not None:
            self._scorer.loaded.check_same(begun_with)

    def __call__(self, table: Any) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
        """A table of one row for each part of the splits."""
        works = [_as_work(text) for text in table["work"].to_pylist()]
        for part in PartMaker(self._scorer, self._order).make(works):
            yield _as_table(part, self._scorer.loaded)


class _Pull:
    """Takes tables from Ray on a thread of its own, so that this one hears signals."""

    def __init__(self, dataset: Any) -> None:  # noqa: ANN401 - ray has no types that hold
        self._dataset = dataset
        self._waiting: queue.Queue[object] = queue.Queue(PARTS_WAITING)

    def tables(self, watch: Watch) -> Iterator[Any]:
        """Until all are there, or the job is to stop."""
        threading.Thread(target=self._pull, name="ray-parts", daemon=True).start()
        while True:
            try:
                found = self._waiting.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                if watch.is_stopping():
                    return
                continue
            if found is None:
                return
            if isinstance(found, Exception):
                raise _reason(found) from None
            yield found

    def _pull(self) -> None:
        try:
            for table in self._dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
                self._waiting.put(table)
            self._waiting.put(None)
        except Exception as error:  # noqa: BLE001 - told on the job's own thread
            self._waiting.put(error)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray; what was started here ends here."""
    import ray  # noqa: PLC0415 - an extra

    own: dict[str, Any] = {"num_cpus": usable_cores(), "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:
        raise BulkError(f"--address {address}: Ray does not answer there: {type(error).__name__}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _nodes(ray: Any) -> list[Mapping[str, float]]:  # noqa: ANN401 - as above
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _sent(settings: Settings, planned: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings.model_dump(exclude=NOT_SENT), **planned}


def _reason(error: BaseException) -> BulkError | BentorankError:
    """What of ours is behind an error of Ray's; of others only the name, since their text may quote the input."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or found in seen:
            continue
        if isinstance(found, BulkError | BentorankError):
            return found
        seen.append(found)
        waiting += [found.__cause__, getattr(found, "cause", None)]
    return BulkError(
        f"Ray: {type(error).__name__}: what was finished before is kept, and the same command goes on from there"
    )


def _as_text(work: Work) -> str:
    split, file = work.split, work.split.file
    return orjson.dumps([file.number, file.path, file.format, file.bytes, split.start, split.stop, work.start]).decode()


def _as_work(text: str) -> Work:
    number, path, kind, size, first, stop, start = orjson.loads(text)
    return Work(Split(InputFile(number, path, FileFormat(kind), size), first, stop), start)


def _as_table(part: Part, loaded: Loaded) -> Any:  # noqa: ANN401 - pyarrow has no types
    record = {
        "split": part.split,
        "file": part.file,
        "start": part.start,
        "stop": part.stop,
        "is_last": part.is_last,
        "counts": part.counts.as_json(),
        "loaded": loaded.as_json(),
    }
    row = {"record": orjson.dumps(record), "content": part.content, "rejections": part.rejections}
    pa = pyarrow("")
    return pa.Table.from_pylist([row], schema=pa.schema([(name, pa.large_binary()) for name in row]))


def _as_part(row: Mapping[str, Any]) -> tuple[Part, Loaded]:
    record = orjson.loads(row["record"])
    loaded, counts = Loaded(**record.pop("loaded")), Counts.from_json(record.pop("counts"))
    part = Part(**record, counts=counts, content=row["content"], rejections=row["rejections"])
    return part, loaded
