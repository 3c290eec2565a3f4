"""Where spans go: OpenTelemetry's SDK, its batches and its exporter, as its own variables set them up."""

from __future__ import annotations

import threading
import uuid
from importlib import import_module
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from bentorank import __version__
from bentorank.errors import ConfigurationError
from bentorank.observability.tracing.export_log import log_without_values
from bentorank.observability.tracing.options import PARENT_OR_RATIO, RATIO
from bentorank.observability.tracing.request_trace import RequestTracer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from bentorank.observability.tracing.options import TracingOptions

# A collector nearby takes milliseconds; one that is gone must not keep a service from stopping.
FLUSHED_WITHIN_S = 2.0


class Tracing:
    """Makes spans and sends them, on a thread of its own. What a collector does not take in time is dropped."""

    def __init__(self, options: TracingOptions) -> None:
        """Raises ConfigurationError if one of OpenTelemetry's variables cannot be used."""
        log_without_values()
        resource = Resource.create(
            {"service.name": "bentorank", "service.version": __version__, "service.instance.id": str(uuid.uuid4())}
        )
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
        resource = resource.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(_sampler(options), _HashedOnce(resource), shutdown_on_exit=False)
        processor = _processor(options)
        self._provider.add_span_processor(processor)
        self.requests = RequestTracer(self._provider, processor)

    def close(self) -> None:
        """Send what is left, for two seconds at most. Blocks."""
        # The SDK's own wait is half a minute, and no argument of it is public.
        last = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(FLUSHED_WITHIN_S)


class _HashedOnce(Resource):
    """The exporter hashes the resource of every span, and that writes it as JSON each time: a third of its work."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource.attributes, resource.schema_url)
        self._hash = super().__hash__()

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    def __hash__(self) -> int:
        return self._hash


def _processor(options: TracingOptions) -> BatchSpanProcessor:
    try:
        exporter: SpanExporter = import_module(options.exporter).OTLPSpanExporter()
        return BatchSpanProcessor(exporter)
    except (ValueError, OSError) as error:
        # Its message would quote the value, which may be a secret.
        raise ConfigurationError(
            f"BENTORANK_TRACING: an OTEL_EXPORTER_OTLP_… or OTEL_BSP_… variable cannot be used ({type(error).__name__})"
        ) from None


def _sampler(options: TracingOptions) -> sampling.Sampler:
    match options.sampler:
        case name if name == PARENT_OR_RATIO:
            return sampling.ParentBasedTraceIdRatio(options.share)
        case name if name == RATIO:
            return sampling.TraceIdRatioBased(options.share)
        case "always_on":
            return sampling.ALWAYS_ON
        case "always_off":
            return sampling.ALWAYS_OFF
        case "parentbased_always_off":
            return sampling.DEFAULT_OFF
        case _:
            return sampling.DEFAULT_ON
