"""`bentorank serve`: start the service and say when it is ready, where it is and how to try it."""

from __future__ import annotations

import ipaddress
import math
import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bentorank.defaults import heaps
from bentorank.engines.cores import usable_cores, usable_memory_bytes, usable_processors
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from bentorank.settings import Settings

SERVICE = "bentorank.service:BentoRank"

# Kept-alive connections outlive the pauses of a client that pools them; longer than the usual 30 s of their side.
KEEP_ALIVE_S = 60

HOME_VARIABLE = "BENTOML_HOME"


def serve(
    host: Annotated[str | None, typer.Option(help="IP address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    model: Annotated[str | None, typer.Option(help="`starter`, a folder or a Hugging Face model id.")] = None,
    engine: Annotated[str | None, typer.Option(help="auto, torch, openvino or fake.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, f32, bf16, f16 or int8.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes, one for each GPU.")] = None,
    env_file: Annotated[Path | None, typer.Option(help="File of settings, as `bentorank tune` writes it.")] = None,
) -> None:
    """Serve a cross-encoder over HTTP. Every setting is a BENTORANK_… variable; options override the common ones.

    A variable of the environment wins over the file, and an option over both.
    """
    from bentorank.cli.readiness import ReadyBanner
    from bentorank.settings import environment_name

    options = {
        "host": host,
        "port": port,
        "model": model,
        "engine": engine,
        "precision": precision,
        "workers": workers,
        # Workers read it again.
        "env_file": env_file and env_file.resolve(),
    }
    for field, value in options.items():
        if value is not None:
            os.environ[environment_name(field)] = str(value)
    settings = _settings_of_workers()
    _check_address(settings)
    _prepare_environment(settings)
    banner = ReadyBanner(settings)
    threading.Thread(target=banner.watch, name="ready-banner", daemon=True).start()
    _run_bentoml(settings)


def _settings_of_workers() -> Settings:
    """The settings, with as many workers for a GPU as the rule says unless that is set; each worker reads them again.

    Raises ConfigurationError as `read_settings` does.
    """
    from bentorank.settings import environment_name, read_settings
    from bentorank.wiring import workers_of_a_gpu

    settings = read_settings()
    sharing = workers_of_a_gpu(settings, cores=usable_cores(), memory_bytes=usable_memory_bytes())
    if sharing == settings.workers_per_gpu:
        return settings
    os.environ[environment_name("workers_per_gpu")] = str(sharing)
    return read_settings()


def _check_address(settings: Settings) -> None:
    """Raises ConfigurationError for what BentoML would answer with a traceback."""
    try:
        ipaddress.ip_address(settings.host)
    except ValueError:
        raise ConfigurationError(f"host: {settings.host} is not an IP address such as 127.0.0.1 or 0.0.0.0") from None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as BentoML's does
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            reason = error.strerror or "cannot be bound"
            raise ConfigurationError(f"cannot listen on {settings.host} port {settings.port}: {reason}") from None


def _prepare_environment(settings: Settings) -> None:
    """Set what BentoML reads on import; whatever the user has set stays."""
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    # Read when the worker starts.
    os.environ.setdefault("MALLOC_ARENA_MAX", str(heaps(usable_processors())))
    # BentoML deletes the metrics files in its home at every start: two servers must not share one.
    os.environ.setdefault(HOME_VARIABLE, str(settings.cache_dir.expanduser() / f"bentoml-home-{settings.port}"))
    _make_writable(Path(os.environ[HOME_VARIABLE]))


def _make_writable(home: Path) -> None:
    """Raises ConfigurationError, without the path, where BentoML could not keep its metrics."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(home, os.W_OK) else "is not to be written to"
    except OSError as error:
        reason = error.strerror or "cannot be made"
    if reason:
        raise ConfigurationError(f"BentoML's folder: {reason}; set BENTORANK_CACHE_DIR or {HOME_VARIABLE} to another")


def _run_bentoml(settings: Settings) -> None:
    """Run BentoML's supervisor in this process until it is stopped."""
    # Until the supervisor takes signals there is nothing to clean up, and imports do not bear a KeyboardInterrupt.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    from _bentoml_impl.loader import load
    from _bentoml_impl.server import serve_http
    from bentoml._internal.log import configure_server_logging

    from bentorank.process.working_folder import start_workers_elsewhere
    from bentorank.wiring import finish_within_s

    configure_server_logging()
    folder = start_workers_elsewhere()
    load(SERVICE, folder).inject_config()
    serve_http(
        SERVICE,
        working_dir=folder,
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(finish_within_s(settings)),
    )
