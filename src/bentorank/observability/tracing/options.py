"""What OpenTelemetry's own variables ask for, checked before anything starts: its SDK would warn and go on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bentorank.errors import ConfigurationError
from bentorank.installing import install_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP, GRPC = "http/protobuf", "grpc"
EXPORTERS = {
    HTTP: "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    GRPC: "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
}
GRPC_PACKAGE = "opentelemetry-exporter-otlp-proto-grpc"

SAMPLER_VARIABLE = "OTEL_TRACES_SAMPLER"
SHARE_VARIABLE = "OTEL_TRACES_SAMPLER_ARG"
RATIO, PARENT_OR_RATIO = "traceidratio", "parentbased_traceidratio"
SAMPLERS = (RATIO, PARENT_OR_RATIO, "always_on", "always_off", "parentbased_always_on", "parentbased_always_off")


@dataclass(frozen=True, slots=True)
class TracingOptions:
    """How spans are sent, and of which requests: `share` of those whose caller has not decided, unless `sampler` says
    otherwise.
    """

    exporter: str = EXPORTERS[HTTP]
    sampler: str = PARENT_OR_RATIO
    share: float = 1.0


def read_tracing_options(environ: Mapping[str, str]) -> TracingOptions:
    """Raises ConfigurationError, in a sentence that names the variable, where no span would ever arrive."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        raise ConfigurationError("BENTORANK_TRACING is on, but OTEL_SDK_DISABLED is true: unset one of them")
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() not in ("otlp", ""):
        raise ConfigurationError(
            "BENTORANK_TRACING sends spans by OTLP, but OTEL_TRACES_EXPORTER is not otlp: unset it"
        )
    return TracingOptions(_exporter(environ), _sampler(environ), _share(environ))


def _exporter(environ: Mapping[str, str]) -> str:
    set_here = next((name for name in PROTOCOL_VARIABLES if environ.get(name)), None)
    protocol = environ[set_here].strip() if set_here else HTTP
    exporter = EXPORTERS.get(protocol)
    if exporter is None:
        raise ConfigurationError(f"{set_here}: must be {HTTP} or {GRPC}")
    if not _is_installed(exporter):
        how = install_extra("tracing") if protocol == HTTP else f"pip install {GRPC_PACKAGE}"
        raise ConfigurationError(f"BENTORANK_TRACING needs an exporter for {protocol}: {how}")
    return exporter


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package around it
        return False


def _sampler(environ: Mapping[str, str]) -> str:
    sampler = environ.get(SAMPLER_VARIABLE, "").strip() or PARENT_OR_RATIO
    if sampler not in SAMPLERS:
        raise ConfigurationError(f"{SAMPLER_VARIABLE}: must be one of {', '.join(SAMPLERS)}")
    return sampler


def _share(environ: Mapping[str, str]) -> float:
    try:
        share = float(environ.get(SHARE_VARIABLE, "").strip() or 1)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise ConfigurationError(f"{SHARE_VARIABLE}: must be a number from 0 to 1")
    return share
