"""From the settings to the options of each part: engine, scheduler, requests, keys, BentoML."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentorank import __version__
from bentorank.cache import CacheOptions
from bentorank.defaults import queue_tokens, workers_per_gpu
from bentorank.engines.cores import usable_cores, usable_memory_bytes
from bentorank.engines.hardware import visible_nvidia_gpus
from bentorank.engines.options import EngineKind, EngineOptions, FakeOptions, ModelHints, Precision
from bentorank.engines.stored_files import count_weights
from bentorank.errors import ConfigurationError
from bentorank.http.dialects.dialect import JobRules
from bentorank.http.dialects.limits import RequestLimits
from bentorank.http.edge.access_log import AccessLog
from bentorank.http.edge.connection.limits import ConnectionLimits
from bentorank.http.edge.key_budgets import KeyBudgets
from bentorank.http.edge.keys import KeyRing
from bentorank.installing import install_package
from bentorank.model_list import STARTER
from bentorank.observability.logging.options import LogFile, LogOptions
from bentorank.observability.start_up import Serving
from bentorank.observability.tracing.options import TracingOptions, read_tracing_options
from bentorank.process.descriptors import room_for_connections
from bentorank.scheduling import SchedulerLimits
from bentorank.types import Overflow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bentorank.engines.protocol import EngineInfo
    from bentorank.engines.word_table import WordTable
    from bentorank.model_list import ModelEntry
    from bentorank.models import ServedModel
    from bentorank.settings import Settings

# Beside `src` in a checkout; beside the package in a Bento, which flattens `src`.
STARTER_FOLDERS = [Path(__file__).parents[level] / "models" / "starter" for level in (1, 2)]

# The rest of a shared GPU's memory is for what CUDA itself needs in each process.
SHARED_MEMORY = 0.9

# What starting a forward pass costs, in tokens that could be computed in its place.
CPU_FORWARD_OVERHEAD_TOKENS = 32
ACCELERATOR_FORWARD_OVERHEAD_TOKENS = 2048

# For answers to be sent and threads to end, after the longest that a request may take.
STOP_MARGIN_S = 5.0

# BentoML's own timeout only catches what ours has missed.
BENTOML_TIMEOUT_MARGIN_S = 15.0

# Requests in flight at which a sweep over their number stops gaining throughput, whatever their size.
CALLERS_THAT_KEEP_A_DEVICE_BUSY = 8


def engine_options(
    settings: Settings, worker_index: int, entry: ModelEntry | None = None, *, models: int | None = None
) -> EngineOptions:
    """What worker number `worker_index` (from 1) is to load, and on which device: the one model, or one of a list.

    Of a list, the default is meant unless `entry` says. So many `models` share the memory, those of the list unless
    said.
    """
    engine = EngineKind(settings.engine)
    entry = next(iter(settings.model_entries), None) if entry is None else entry
    source = settings.model if entry is None else entry.source
    own = {} if entry is None else {name: value for name, value in entry if value is not None}
    return EngineOptions(
        model=source if engine is EngineKind.FAKE else resolve_model(source),
        engine=engine,
        revision=settings.model_revision if entry is None else entry.revision,
        device=_device(settings, worker_index),
        precision=Precision(own.get("precision", settings.precision)),
        max_tokens=own.get("max_pair_tokens", settings.max_pair_tokens),
        threads=settings.threads or _threads(settings),
        streams=settings.streams,
        cuda_graphs=settings.cuda_graphs,
        compile_layers=settings.compile_layers,
        fast_tokenizer=settings.fast_tokenizer,
        cache_dir=settings.cache_dir.expanduser(),
        memory_share=1.0 if settings.workers_per_gpu == 1 else SHARED_MEMORY / settings.workers_per_gpu,
        host_share=1 / (models or max(1, len(settings.model_entries))),
        hints=ModelHints(
            own.get("instruction", settings.instruction),
            own.get("prompt_format", settings.prompt_format),
            own.get("two_labels", settings.two_labels),
        ),
        fake=FakeOptions(
            delay_s_per_batch=settings.fake_batch_delay_ms / 1e3,
            delay_s_per_1k_tokens=settings.fake_token_delay_us / 1e3,
            gpu=settings.fake_gpus and settings.fake_gpus / str(_gpu_of(settings, worker_index)),
        ),
    )


def word_table(options: EngineOptions) -> WordTable | None:
    """The model's own word embeddings; None where there are none."""
    if options.engine is EngineKind.FAKE:
        return None
    # The checkpoint's reading imports the tokenizer, which the fake engine does without.
    from bentorank.engines.checkpoint import open_checkpoint  # noqa: PLC0415
    from bentorank.engines.word_table import open_word_table  # noqa: PLC0415

    return open_word_table(open_checkpoint(options.model, revision=options.revision, hints=options.hints))


def resolve_model(model: str) -> str:
    """The folder of the shipped model for `starter`, else `model` as it is.

    A checkout and a Bento contain the folder; elsewhere the package `bentorank-starter` does.
    Raises ConfigurationError when neither is there.
    """
    if model != STARTER:
        return model
    for folder in STARTER_FOLDERS:
        if (folder / "config.json").is_file():
            return str(folder)
    try:
        import bentorank_starter  # noqa: PLC0415 - an optional data package
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"the starter model is not installed: {install_package('bentorank-starter', './models/starter')};"
            " or set BENTORANK_MODEL"
        ) from None
    return str(bentorank_starter.path())


def _device(settings: Settings, worker_index: int) -> str:
    if settings.gpu_count > 1 and uses_gpu(settings):
        return f"cuda:{_gpu_of(settings, worker_index)}"
    return settings.device


def _gpu_of(settings: Settings, worker_index: int) -> int:
    """Workers are dealt out to the GPUs like cards."""
    return (worker_index - 1) % settings.gpu_count


def _threads(settings: Settings) -> int | None:
    """Of a worker's engine on a CPU: its part of the cores. Left alone, torch would count those beyond a quota."""
    if settings.engine == "fake" or uses_gpu(settings):
        return None
    return max(1, usable_cores() // settings.worker_count)


def uses_gpu(settings: Settings) -> bool:
    """Whether the engine will run on an NVIDIA GPU, which is what BentoML allots; told without importing torch."""
    if settings.device.startswith("cuda"):
        return True
    return visible_nvidia_gpus() > 0 and settings.device == "auto" and settings.engine in ("auto", "torch")


def check_gpus(settings: Settings) -> None:
    """Raises ConfigurationError where workers would be left without a GPU. For the process that will start them."""
    visible, needed = visible_nvidia_gpus(), settings.gpu_count
    if settings.engine == "fake":
        return
    if settings.workers_per_gpu > 1 and not uses_gpu(settings):
        raise ConfigurationError(f"workers_per_gpu is {settings.workers_per_gpu}, but no NVIDIA GPU is to be seen")
    # Where none is to be seen a device of another kind was asked for, or the worker itself will say that none is there.
    if uses_gpu(settings) and 0 < visible < needed:
        raise ConfigurationError(
            f"workers is {settings.worker_count} and workers_per_gpu {settings.workers_per_gpu}, which takes {needed}"
            f" GPUs, but {visible} {'is' if visible == 1 else 'are'} to be seen"
        )


def workers_of_a_gpu(settings: Settings, *, cores: int, memory_bytes: int) -> int:
    """How many workers are to share a GPU: what is set, else by the rule, for one model that is a folder here.

    What is set for each worker by itself stays as it was meant: no second one joins where the number of workers, a
    limit of a key or the loading of models is set. For the process that will start them.
    """
    each_by_itself = settings.workers or settings.models or settings.admin_key or settings.key_tokens_per_s
    if "workers_per_gpu" in settings.model_fields_set or each_by_itself or (settings.gpus or 1) > 1:
        return settings.workers_per_gpu
    if settings.engine == "fake" or not uses_gpu(settings):
        return settings.workers_per_gpu
    try:
        weights = count_weights(settings.model, Path(resolve_model(settings.model)))
    except ConfigurationError:
        return settings.workers_per_gpu  # a model of the hub, or a worker will say what is wrong
    return workers_per_gpu(weights=weights, cores=cores, memory_bytes=memory_bytes)


def scheduler_limits(settings: Settings, info: EngineInfo, *, models: int | None = None) -> SchedulerLimits:
    """The token budgets of one of so many `models` for the device that was loaded, unless the settings name them."""
    on_cpu = info.device == "cpu"
    workers = settings.worker_count
    sharing = models or max(1, len(settings.model_entries))
    memory_bytes = usable_memory_bytes() // workers // sharing
    by_rule = queue_tokens(info.device, cores=usable_cores() // workers, memory_bytes=memory_bytes)
    max_queue_tokens = settings.max_queue_tokens or max(by_rule, settings.max_batch_tokens or 0)
    return SchedulerLimits(
        max_queue_tokens=max_queue_tokens,
        max_batch_tokens=settings.max_batch_tokens or min(info.batch_tokens, max_queue_tokens),
        forward_overhead_tokens=CPU_FORWARD_OVERHEAD_TOKENS if on_cpu else ACCELERATOR_FORWARD_OVERHEAD_TOKENS,
        stalled_after_s=settings.stalled_after_s,
        target_wait_s=settings.target_wait_s,
    )


def cache_options(settings: Settings) -> CacheOptions:
    """What is to be remembered, and where. Raises ConfigurationError if the file of the URL cannot be used."""
    return CacheOptions(
        memory_bytes=settings.cache_bytes if settings.cache else 0,
        ttl_s=settings.cache_ttl_s,
        redis_url=_cache_url(settings),
    )


def _cache_url(settings: Settings) -> str | None:
    if settings.cache_url is not None:
        return settings.cache_url.get_secret_value()
    if settings.cache_url_file is None:
        return None
    try:
        url = settings.cache_url_file.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        # Without the path, which is nobody's business who reads the log.
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ConfigurationError(f"BENTORANK_CACHE_URL_FILE: {reason}") from None
    if not url:
        raise ConfigurationError("BENTORANK_CACHE_URL_FILE: has no URL in it")
    return url


def finish_within_s(settings: Settings) -> float:
    """How long a worker may work on what it has begun, once it takes nothing new."""
    return settings.request_timeout_s + STOP_MARGIN_S


def stop_within_s(settings: Settings) -> float:
    """How long a worker may take from SIGTERM to its end."""
    return settings.drain_s + finish_within_s(settings) + STOP_MARGIN_S


def job_rules(settings: Settings) -> JobRules:
    """What every request may ask for, and what becomes of what does not fit."""
    limits = RequestLimits(
        max_documents=settings.max_documents,
        max_document_chars=settings.max_document_chars,
        max_query_chars=settings.max_query_chars,
        max_batch_requests=settings.max_batch_requests,
        max_json_items=settings.max_json_items,
        max_json_depth=settings.max_json_depth,
    )
    return JobRules(
        limits,
        Overflow(settings.overflow),
        cut_query=settings.query_overflow == "truncate",
        first_stage=settings.first_stage,
        keep=settings.keep,
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """What one connection may take."""
    return ConnectionLimits(
        header_timeout_s=settings.header_timeout_s,
        max_header_bytes=settings.max_header_bytes,
        body_timeout_s=settings.body_timeout_s,
        max_connections=room_for_connections(settings.max_connections),
        max_unread_bytes=settings.max_bodies_bytes,
    )


def key_ring(settings: Settings) -> KeyRing:
    """The API keys. Raises ConfigurationError if their file cannot be used."""
    fixed = [key.get_secret_value() for key in settings.api_keys]
    return KeyRing(fixed, settings.api_keys_file, guards_metrics=settings.metrics_need_key)


def admin_key_ring(settings: Settings) -> KeyRing | None:
    """The key that opens the admin routes, which are not there without one."""
    return None if settings.admin_key is None else KeyRing([settings.admin_key.get_secret_value()])


def key_budgets(settings: Settings) -> KeyBudgets | None:
    """What each API key may use, if that is limited."""
    if settings.key_tokens_per_s is None:
        return None
    return KeyBudgets(settings.key_tokens_per_s, settings.key_burst_tokens)


def log_options(settings: Settings) -> LogOptions:
    """What is logged, how and where to."""
    path = settings.log_file
    file = None
    if path is not None:
        file = LogFile(path.expanduser().absolute(), settings.log_file_max_bytes, settings.log_file_count)
    return LogOptions(settings.log_level, settings.log_format, file)


def access_log(settings: Settings) -> AccessLog | None:
    """Which requests are logged, if any."""
    return AccessLog(settings.access_log_share, settings.access_log_slow_s) if settings.access_log else None


def serving(settings: Settings, models: Iterable[ServedModel], keys: int) -> Serving:
    """What a worker says when it begins to serve; with so many keys."""
    remembers = [
        *([f"in {settings.cache_bytes / 2**20:g} MiB of memory"] if settings.cache and settings.cache_bytes else []),
        *(["in Redis"] if settings.cache_url or settings.cache_url_file else []),
    ]
    return Serving(
        version=__version__,
        models=[(model.name, model.reranker.info) for model in models],
        max_documents=settings.max_documents,
        max_request_tokens=settings.max_request_tokens,
        max_body_bytes=settings.max_body_bytes,
        request_timeout_s=settings.request_timeout_s,
        keys=keys,
        metrics_need_key=settings.metrics_need_key,
        remembers=" and ".join(remembers) or None,
        tracing=settings.tracing,
    )


def tracing_options(settings: Settings) -> TracingOptions | None:
    """How requests are traced, if they are. Raises ConfigurationError if spans could not be sent."""
    return read_tracing_options(os.environ) if settings.tracing else None


def bentoml_config(settings: Settings) -> dict[str, Any]:
    """Resources, workers, traffic and logging of the BentoML service.

    Not the address: a container must listen on every interface, as BentoML does; `bentorank serve` passes its own.
    """
    config: dict[str, Any] = {
        "workers": settings.worker_count,
        "traffic": {
            "timeout": settings.request_timeout_s + settings.drain_s + BENTOML_TIMEOUT_MARGIN_S,
            # For BentoCloud alone, which adds a replica beyond it: nothing here counts requests instead of tokens.
            "concurrency": CALLERS_THAT_KEEP_A_DEVICE_BUSY * settings.worker_count,
        },
        # BentoML's log line per request costs 10 to 30 % of the HTTP layer's time; the edge has its own.
        "logging": {"access": {"enabled": False}},
        "metrics": {"enabled": True},
    }
    if gpus := _gpus(settings):
        config["resources"] = {"gpu": gpus}
    return config


def _gpus(settings: Settings) -> int:
    if settings.gpus is not None:
        return settings.gpus
    return settings.gpu_count if uses_gpu(settings) else 0
