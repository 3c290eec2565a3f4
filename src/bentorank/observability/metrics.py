"""Every metric of ours, by name. Labels come from closed sets. BentoML adds its own `bentoml_service_…` series."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import bentoml
from prometheus_client import Counter, Gauge, Histogram

from bentorank import errors
from bentorank.errors import Refusal
from bentorank.process.metric_files import name_files_after_worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bentorank.cache import LevelReport
    from bentorank.engines.protocol import EngineInfo
    from bentorank.errors import BentorankError
    from bentorank.process.usage import ProcessUsage
    from bentorank.scheduling.admission import QueueState
    from bentorank.scheduling.scheduler import BatchRecord
    from bentorank.types import Ranking

name_files_after_worker(bentoml.server_context.worker_index)

# Counters with labels are there from the start: a rate that begins with its first event misses that.

INFO = Gauge(
    "rerank_info",
    "1, with what serves: the version of bentorank and the model as it was loaded.",
    ["version", "model", "engine", "device", "precision"],
    # Prometheus' Info does not work with several processes.
    multiprocess_mode="livemax",
)
WORKERS = Gauge("rerank_workers", "Living workers, those that load their model included.", multiprocess_mode="livesum")
WORKERS_READY = Gauge(
    "rerank_workers_ready", "Workers that would answer /readyz with 200 now.", multiprocess_mode="livesum"
)

# What nginx logs for a caller who left before the answer; nobody receives it.
CLIENT_CLOSED_REQUEST = 499
REQUESTS = Counter("rerank_requests_total", "Rerank requests answered, by HTTP status.", ["status"])
ERRORS = Counter(
    "rerank_errors_total",
    "Rerank requests answered with an error, by its code. Those that reached no route: rerank_edge_refusals_total.",
    ["code"],
)
for _error in (
    errors.BentorankError,
    errors.DeadlineExceededError,
    errors.DocumentTooLongError,
    errors.InvalidRequestError,
    errors.MalformedBodyError,
    errors.ModelNotFoundError,
    errors.NoFirstStageError,
    errors.NonFiniteScoreError,
    errors.OverloadedError,
    errors.PayloadTooLargeError,
    errors.RateLimitedError,
    errors.RequestTimeoutError,
    errors.ScoringError,
    errors.UnavailableError,
    errors.UnsupportedMediaTypeError,
):
    ERRORS.labels(_error.code)
    REQUESTS.labels(str(_error.status))
for _status in (HTTPStatus.OK, CLIENT_CLOSED_REQUEST):
    REQUESTS.labels(str(int(_status)))
DIALECT_REQUESTS = Counter(
    "rerank_dialect_requests_total",
    "Rerank requests by the API that their bodies speak; `batch` and `score` are routes of their own.",
    ["dialect"],
)
REFUSED = Counter("rerank_refused_total", "Requests turned away before their work began, by why.", ["reason"])
for _reason in Refusal:
    REFUSED.labels(_reason)
REQUEST_DURATION = Histogram(
    "rerank_request_duration_seconds",
    "From the parsed head of a rerank request to its answer, by 2xx, 4xx or 5xx: a refusal is quick.",
    ["status_class"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
_DURATION_OF = {digit: REQUEST_DURATION.labels(f"{digit}xx") for digit in (2, 4, 5)}
PHASE_DURATION = Histogram(
    "rerank_phase_duration_seconds",
    "Where the time of answered rerank requests went; `queue` is what was neither tokenising nor computing, nor the"
    " `first_stage`, which few requests have.",
    ["model", "phase"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
EDGE_REFUSALS = Counter(
    "rerank_edge_refusals_total", "Requests refused before they reached a route, by error code.", ["code"]
)
for _refusal in (
    errors.HeadTooLargeError,
    errors.HttpVersionError,
    errors.MalformedBodyError,
    errors.MalformedRequestError,
    errors.MethodNotAllowedError,
    errors.NotFoundError,
    errors.NotImplementedByServerError,
    errors.OverloadedError,
    errors.PayloadTooLargeError,
    errors.RequestTimeoutError,
    errors.UnauthorizedError,
    errors.UnavailableError,
):
    EDGE_REFUSALS.labels(_refusal.code)
CONNECTIONS = Gauge("rerank_connections", "Open connections.", multiprocess_mode="livesum")
ASYNCIO_TASKS = Gauge("rerank_asyncio_tasks", "Tasks on the event loop.", multiprocess_mode="livesum")
EVENT_LOOP_LAG = Histogram(
    "rerank_event_loop_lag_seconds",
    "How late the event loop woke a task that slept.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
ACTIVE_REQUESTS = Gauge("rerank_active_requests", "Rerank requests being worked on.", multiprocess_mode="livesum")
DOCUMENT_COUNT = Histogram(
    "rerank_document_count", "Documents of a rerank request.", buckets=(1, 5, 10, 20, 50, 100, 200, 500, 1000)
)
DOCUMENTS = Counter("rerank_documents_total", "Documents of answered rerank requests.", ["model"])
QUEUE_TOKENS = Gauge("rerank_queue_tokens", "Tokens queued or computing.", ["model"], multiprocess_mode="livesum")
TOKENS_PER_SECOND = Gauge(
    "rerank_tokens_per_second",
    "Speed of the device over its last busy seconds with the model.",
    ["model"],
    multiprocess_mode="livesum",
)
QUEUE_WAIT = Gauge(
    "rerank_queue_wait_seconds",
    "Work queued or computing, of all models, at the measured speed; 0 when idle. That of the worst worker.",
    multiprocess_mode="livemax",
)
DEVICE_BUSY = Counter(
    "rerank_device_busy_seconds_total",
    "Time in which devices computed; its rate is how many of them are busy, of one a worker.",
    ["model"],
)
BATCH_TOKENS = Histogram(
    "rerank_batch_tokens",
    "Tokens of a forward pass, padding excluded.",
    ["model"],
    buckets=(64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536),
)
BATCH_PAIRS = Histogram(
    "rerank_batch_pairs", "Pairs of a forward pass.", ["model"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
BATCH_SECONDS = Histogram(
    "rerank_batch_duration_seconds",
    "Time of a forward pass.",
    ["model"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
PADDING_RATIO = Histogram(
    "rerank_padding_ratio",
    "Share of a forward pass that was padding.",
    ["model"],
    buckets=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0),
)
TOKENS = Counter("rerank_tokens_total", "Tokens scored, padding excluded; its rate is the throughput.", ["model"])
FAILED_PAIRS = Counter("rerank_failed_pairs_total", "Pairs that the engine could not score.", ["model"])
EMPTY_DOCUMENTS = Counter("rerank_empty_documents_total", "Documents without text, which stand last, unread.")
TRUNCATED_DOCUMENTS = Counter("rerank_truncated_documents_total", "Documents cut to fit the model's window.", ["model"])

PRUNED_DOCUMENTS = Counter(
    "rerank_pruned_documents_total",
    "Documents that a first stage kept from the model, and that have no score.",
    ["model"],
)
UNSCORED_DOCUMENTS = Counter(
    "rerank_unscored_documents_total",
    "Documents in an answer without a score, because the caller takes such an answer, by the reason.",
    ["reason"],
)
for _unscored in (
    errors.DeadlineExceededError,
    errors.DocumentLeftOutError,
    errors.NonFiniteScoreError,
    errors.ScoringError,
):
    UNSCORED_DOCUMENTS.labels(_unscored.code)
CACHE_REQUESTS = Counter(
    "rerank_cache_requests_total",
    "Documents looked for among remembered scores: hit, miss, or error, which is a miss because the level failed.",
    ["level", "result"],
)
CACHE_WRITES = Counter(
    "rerank_cache_writes_total",
    "Documents whose score was to be remembered: written, dropped before it was tried, or failed.",
    ["level", "result"],
)
CACHE_EVICTED = Counter("rerank_cache_evicted_total", "Documents forgotten in memory because there was no more room.")
CACHE_ENTRIES = Gauge("rerank_cache_entries", "Documents remembered in memory.", multiprocess_mode="livesum")
CACHE_BYTES = Gauge("rerank_cache_bytes", "Memory that they take.", multiprocess_mode="livesum")
# Prometheus' own `process_…` do not work with several processes. The supervisor, which computes nothing, is left out.
PROCESS_MEMORY = Gauge(
    "rerank_process_resident_memory_bytes", "Resident memory of the workers.", multiprocess_mode="livesum"
)
PROCESS_CPU = Counter("rerank_process_cpu_seconds_total", "Processor time that the workers have taken.")
PROCESS_OPEN_FILES = Gauge(
    "rerank_process_open_fds", "Open file descriptors of the worker with the most.", multiprocess_mode="livemax"
)
PROCESS_MAX_FILES = Gauge(
    "rerank_process_max_fds", "File descriptors that a worker may have open.", multiprocess_mode="livemin"
)


def record_start() -> None:
    """Show a worker that is about to load its model."""
    WORKERS.set(1)
    WORKERS_READY.set(0)


class _OfModel:
    """What is measured of one model: looking a child up by its labels takes as long as counting it."""

    def __init__(self, model: str) -> None:
        self.documents = DOCUMENTS.labels(model)
        self.truncated = TRUNCATED_DOCUMENTS.labels(model)
        self.phases = [
            PHASE_DURATION.labels(model, phase) for phase in ("queue", "tokenize", "inference", "first_stage")
        ]
        self.pruned = PRUNED_DOCUMENTS.labels(model)
        self.queue_tokens = QUEUE_TOKENS.labels(model)
        self.tokens_per_s = TOKENS_PER_SECOND.labels(model)
        self.device_busy = DEVICE_BUSY.labels(model)
        self.batch_tokens = BATCH_TOKENS.labels(model)
        self.batch_pairs = BATCH_PAIRS.labels(model)
        self.batch_seconds = BATCH_SECONDS.labels(model)
        self.padding_ratio = PADDING_RATIO.labels(model)
        self.tokens = TOKENS.labels(model)
        self.failed_pairs = FAILED_PAIRS.labels(model)


# Names come from the operator's list of models, never from a request.
_of_model = cache(_OfModel)


def record_model(version: str, model: str, info: EngineInfo) -> None:
    """Show what is loaded, under the name that it is served by."""
    INFO.labels(version, model, info.engine, info.device, info.precision).set(1)
    _of_model(model)


def record_model_left(version: str, model: str, info: EngineInfo) -> None:
    """Show that a model is served no more; what was counted of it stays."""
    INFO.labels(version, model, info.engine, info.device, info.precision).set(0)
    of_model = _of_model(model)
    of_model.queue_tokens.set(0)
    of_model.tokens_per_s.set(0)


@contextmanager
def active_request() -> Iterator[None]:
    """Count a request as being worked on."""
    ACTIVE_REQUESTS.inc()
    try:
        yield
    finally:
        ACTIVE_REQUESTS.dec()


@cache
def _requests(status: int) -> Counter:
    """Looking a child up by its labels takes as long as counting it."""
    return REQUESTS.labels(str(status))


def record_request(status: int, code: str | None, seconds: float) -> None:
    """Count an answered rerank request; `code` is that of the error that was the answer, if it was one."""
    _requests(status).inc()
    _DURATION_OF[status // 100].observe(seconds)
    if code is not None:
        ERRORS.labels(code).inc()


def record_ranking(model: str, documents: int, ranking: Ranking) -> None:
    """Count the answer of a model to a request of so many documents, and where its time went."""
    of_model = _of_model(model)
    of_model.documents.inc(documents)
    # Each write takes a microsecond of every request: these are rarely due.
    if ranking.usage.truncated_documents:
        of_model.truncated.inc(ranking.usage.truncated_documents)
    if ranking.empty_documents:
        EMPTY_DOCUMENTS.inc(ranking.empty_documents)
    for reason, count in ranking.unscored_documents.items():
        UNSCORED_DOCUMENTS.labels(reason).inc(count)
    timings_ms = ranking.timings_ms
    queue, tokenize, inference, first_stage = of_model.phases
    if timings_ms.first_stage is not None:
        first_stage.observe(timings_ms.first_stage / 1e3)
        of_model.pruned.inc(ranking.usage.pruned_documents)
    queue.observe(timings_ms.queue / 1e3)
    tokenize.observe(timings_ms.tokenize / 1e3)
    inference.observe(timings_ms.inference / 1e3)


def record_refusal(error: BentorankError) -> None:
    """Count a request that ended with `error`, if that was a refusal."""
    if error.refusal is not None:
        REFUSED.labels(error.refusal).inc()


def record_batches(model: str, records: Iterable[BatchRecord], streams: int) -> None:
    """Count a model's forward passes since the last call on a device that runs so many of them at a time."""
    of_model = _of_model(model)
    for record in records:
        of_model.device_busy.inc(record.seconds / streams)
        of_model.batch_tokens.observe(record.tokens)
        of_model.batch_pairs.observe(record.pairs)
        of_model.batch_seconds.observe(record.seconds)
        of_model.padding_ratio.observe(1.0 - record.tokens / record.padded_tokens)
        of_model.tokens.inc(record.tokens)
        of_model.failed_pairs.inc(record.failed_pairs)


@cache
def _redis_up() -> Gauge:
    """Made where Redis is used alone: once made it is 0, which elsewhere would look like an outage."""
    return Gauge(
        "rerank_cache_redis_up",
        "1 while Redis is asked, 0 after it failed and until it answers again; the worst of the workers.",
        multiprocess_mode="livemin",
    )


def record_cache(reports: Iterable[LevelReport]) -> None:
    """Count what the levels of the cache did since the last call, and show what they hold."""
    for report in reports:
        for result, documents in (("hit", report.hits), ("miss", report.misses), ("error", report.errors)):
            CACHE_REQUESTS.labels(report.level, result).inc(documents)
        for result, documents in (
            ("written", report.written),
            ("dropped", report.dropped),
            ("failed", report.failed),
        ):
            CACHE_WRITES.labels(report.level, result).inc(documents)
        if report.level == "memory":
            CACHE_EVICTED.inc(report.evicted)
            CACHE_ENTRIES.set(report.entries)
            CACHE_BYTES.set(report.bytes)
        else:
            _redis_up().set(report.is_up)


def record_queue(model: str, state: QueueState) -> None:
    """Show what waits for a model, and how fast it is worked off."""
    of_model = _of_model(model)
    of_model.queue_tokens.set(state.tokens)
    of_model.tokens_per_s.set(state.tokens_per_s or 0.0)


def record_process(before: ProcessUsage, usage: ProcessUsage) -> None:
    """Show what this process takes, and count what it took since `before`."""
    PROCESS_MEMORY.set(usage.resident_bytes)
    PROCESS_CPU.inc(usage.cpu_s - before.cpu_s)
    PROCESS_OPEN_FILES.set(usage.open_files)
    PROCESS_MAX_FILES.set(usage.max_files)
