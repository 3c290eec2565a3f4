"""A job on Ray Data: splits are dealt out to actors, each with a model; their parts come here and are kept here.

Ray's own checkpoints need unique ids and hold all of them in memory, so that the job's own journal is used.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bentorank import __version__
from bentorank.bulk.actor_plan import plan_actors
from bentorank.bulk.answers import Counts
from bentorank.bulk.errors import GOES_ON, BulkError
from bentorank.bulk.extras import pyarrow, ray_data
from bentorank.bulk.inputs import InputFile, Split
from bentorank.bulk.order import FileFormat
from bentorank.bulk.parts import Part, PartMaker, Work
from bentorank.bulk.scoring import BulkScorer
from bentorank.bulk.workers import Loaded
from bentorank.child_process import IMPORT_FOLDER
from bentorank.engines.cores import usable_cores
from bentorank.errors import BentorankError
from bentorank.model_list import from_any_folder
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
    "admin_key",
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
            done = {work.split.name: work.start for work in works}
            for table in _Pull(parts).tables(watch):
                for row in table.to_pylist():
                    part, loaded = _as_part(row)
                    watch.loaded(loaded)
                    # A split whose actor was lost begins anew.
                    if part.start >= done[part.split]:
                        done[part.split] = part.stop
                        watch.advanced(part.counts.rows, part.stop - part.start)
                        yield part


class SplitRanker:
    """An actor: a model, and the splits that it is given. What goes wrong is told in a row, not in a traceback."""

    def __init__(
        self, version: str, settings: Mapping[str, Any], order: Order, begun_with: Mapping[str, Any] | None
    ) -> None:
        """Where this node would rank otherwise than those before it, all that it says is that."""
        self._order = order
        self._scorer: BulkScorer | None = None
        self._failure = ""
        try:
            self._scorer = _scorer(version, settings, order, begun_with)
        except (BulkError, BentorankError, ValueError) as error:
            self._failure = str(error)

    def __call__(self, table: Any) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
        """A table of one row for each part of the splits."""
        if self._scorer is None:
            yield _as_table({"failure": self._failure})
            return
        works = [_as_work(text) for text in table["work"].to_pylist()]
        try:
            for part in PartMaker(self._scorer, self._order).make(works):
                yield _as_table(_record(part, self._scorer.loaded), part.content, part.rejections)
        except (BulkError, OSError) as error:
            yield _as_table({"failure": str(error)})


def _scorer(
    version: str, settings: Mapping[str, Any], order: Order, begun_with: Mapping[str, Any] | None
) -> BulkScorer:
    if version != __version__:
        raise BulkError(f"a node has bentorank {__version__}, and the job comes from {version}: install the same")
    scorer = BulkScorer(Settings(**settings), order)
    if begun_with is not None:
        scorer.loaded.check_same(begun_with)
    return scorer


class _Pull:
    """Takes tables from Ray on a thread of its own, so that this one hears signals."""

    def __init__(self, dataset: Any) -> None:  # noqa: ANN401 - ray has no types that hold
        self._dataset = dataset
        self._waiting: queue.Queue[object] = queue.Queue(PARTS_WAITING)

    def tables(self, watch: Watch) -> Iterator[Any]:
        """Until all are there, or the job is to stop."""
        threading.Thread(target=self._pull, name="ray-parts", daemon=True).start()
        while not watch.is_stopping():
            try:
                found = self._waiting.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            if found is None:
                return
            if isinstance(found, Exception):
                # Only its name, since what it says may quote the input.
                raise BulkError(f"Ray: {type(found).__name__}: {GOES_ON}") from None
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
        # Its workers import from the folder that it is started in, which may be a model's.
        with chdir(IMPORT_FOLDER):
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:
        ray.shutdown()
        what = "Ray did not start here in its time" if address == LOCAL else "Ray does not answer there"
        raise BulkError(f"--address {address}: {what}: {type(error).__name__}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _nodes(ray: Any) -> list[Mapping[str, float]]:  # noqa: ANN401 - as above
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _sent(settings: Settings, planned: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides what a model says, whatever a node's own environment; actors start in other folders."""
    model = Path(settings.model)
    folder = {"model": str(model.resolve())} if model.is_dir() else {}
    several = {} if settings.models is None else {"models": from_any_folder(settings.models)}
    return {**settings.model_dump(exclude=NOT_SENT), **folder, **several, **planned}


def _as_text(work: Work) -> str:
    split, file = work.split, work.split.file
    return orjson.dumps([file.number, file.path, file.format, file.bytes, split.start, split.stop, work.start]).decode()


def _as_work(text: str) -> Work:
    number, path, kind, size, first, stop, start = orjson.loads(text)
    return Work(Split(InputFile(number, path, FileFormat(kind), size), first, stop), start)


def _record(part: Part, loaded: Loaded) -> dict[str, Any]:
    return {
        "split": part.split,
        "file": part.file,
        "start": part.start,
        "stop": part.stop,
        "is_last": part.is_last,
        "counts": part.counts.as_json(),
        "loaded": loaded.as_json(),
    }


def _as_table(record: Mapping[str, Any], content: bytes | None = None, rejections: bytes = b"") -> Any:  # noqa: ANN401 - pyarrow has no types
    row = {"record": orjson.dumps(record), "content": content, "rejections": rejections}
    pa = pyarrow("")
    return pa.Table.from_pylist([row], schema=pa.schema([(name, pa.large_binary()) for name in row]))


def _as_part(row: Mapping[str, Any]) -> tuple[Part, Loaded]:
    """What an actor says. Raises BulkError where it says that it cannot go on."""
    record = orjson.loads(row["record"])
    if "failure" in record:
        raise BulkError(record["failure"])
    loaded, counts = Loaded.from_json(record.pop("loaded")), Counts.from_json(record.pop("counts"))
    part = Part(**record, counts=counts, content=row["content"], rejections=row["rejections"])
    return part, loaded
