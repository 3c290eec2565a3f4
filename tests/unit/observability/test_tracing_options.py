"""What OpenTelemetry's variables may say, and what is refused before anything starts."""

import logging
import sys

import pytest
import yaml
from support.server import REPOSITORY

from bentorank.errors import ConfigurationError
from bentorank.observability.tracing.export_log import log_without_values
from bentorank.observability.tracing.options import TracingOptions, read_tracing_options
from bentorank.observability.tracing.pipeline import Tracing


class Missing:
    """An import system without some package."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.startswith(self.package):
            raise ModuleNotFoundError(name)


@pytest.mark.parametrize(
    ("variables", "share", "sampler"),
    [
        ({}, 1.0, "parentbased_traceidratio"),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.1"}, 0.1, "parentbased_traceidratio"),
        ({"OTEL_TRACES_SAMPLER_ARG": "", "OTEL_SDK_DISABLED": "false"}, 1.0, "parentbased_traceidratio"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0.0, "traceidratio"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, 1.0, "parentbased_traceidratio"),
    ],
)
def test_the_share_and_who_decides_come_from_opentelemetrys_variables(variables, share, sampler):
    """All requests are traced unless they say otherwise; a caller that is traced decides."""
    assert read_tracing_options(variables) == TracingOptions(sampler=sampler, share=share)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, "BENTORANK_TRACING is on, but OTEL_SDK_DISABLED is true: unset one of them"),
        ({"OTEL_TRACES_EXPORTER": "none"}, "OTEL_TRACES_EXPORTER is not otlp"),
        ({"OTEL_TRACES_SAMPLER_ARG": "a tenth"}, "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER_ARG": "nan"}, "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER_ARG": "1.1"}, "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "OTEL_TRACES_SAMPLER: must be one of traceidratio, "),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf or grpc"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "thrift"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: must be",
        ),
    ],
)
def test_what_would_send_nothing_is_refused(variables, sentence):
    """In a sentence that names the variable and not its value."""
    with pytest.raises(ConfigurationError, match=sentence):
        read_tracing_options(variables)


@pytest.mark.parametrize("bentofile", ["bentofile.yaml", "bentofile.gpu.yaml"])
def test_what_an_image_sets_does_not_forbid_tracing(bentofile):
    """BENTORANK_TRACING alone turns it on there, too."""
    variables = yaml.safe_load((REPOSITORY / bentofile).read_text()).get("envs", [])
    read_tracing_options({variable["name"]: variable.get("value", "") for variable in variables})


@pytest.mark.parametrize(
    ("variables", "package", "sentence"),
    [
        ({}, "opentelemetry.exporter", "BENTORANK_TRACING needs an exporter for http/protobuf: pip install 'bentorank"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "opentelemetry.exporter.otlp.proto.grpc",
            "BENTORANK_TRACING needs an exporter for grpc: pip install opentelemetry-exporter-otlp-proto-grpc",
        ),
    ],
)
def test_a_missing_package_is_named(monkeypatch, variables, package, sentence):
    """With the command that installs it."""
    for name in [name for name in sys.modules if name.startswith(package)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(package), *sys.meta_path])
    with pytest.raises(ConfigurationError) as refused:
        read_tracing_options(variables)
    assert str(refused.value).startswith(sentence)


def test_a_variable_that_the_sdk_cannot_use_is_refused(monkeypatch):
    """Rather than raise in a worker that would be started again and again."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_… or OTEL_BSP_…"):
        Tracing(TracingOptions())


def test_what_opentelemetry_logs_loses_its_values(caplog, monkeypatch):
    """Headers, bodies of answers, addresses; numbers and the names of exceptions say enough. One line a minute."""
    monkeypatch.setattr(logging.getLogger("bentorank"), "propagate", True)
    # As BentoML's configuration leaves those that were there before it.
    monkeypatch.setattr(logging.getLogger(log_without_values.__module__), "disabled", False)
    theirs = logging.getLogger("opentelemetry")
    monkeypatch.setattr(theirs, "handlers", [])
    monkeypatch.setattr(theirs, "propagate", True)
    monkeypatch.setattr(theirs.getChild("exporter"), "disabled", False)
    # Whatever a test before this one has configured.
    for name in (theirs.name, log_without_values.__module__):
        caplog.set_level(logging.WARNING, name)
    log_without_values()
    log_without_values()
    theirs.getChild("exporter").error("batch of %s failed, code: %s, reason: %s", "spans", 401, "key hidden is wrong")
    theirs.getChild("exporter").error("again")
    (record,) = caplog.records
    assert record.getMessage() == "tracing: batch of spans failed, code: 401, reason: …"
    assert record.name.startswith("bentorank.")
