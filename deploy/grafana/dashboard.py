"""The dashboard: its variables, its annotations, and the rows in their order."""

from __future__ import annotations

from itertools import count

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    CustomVariable,
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.panels import data_source
from deploy.grafana.queries import chosen, increase
from deploy.grafana.rows import batching, cache, capacity, documents, errors, latency, overview, traffic, workers

UID = "bentorank"
ROWS = (overview, traffic, latency, capacity, batching, cache, documents, errors, workers)
# Objectives for the latency of answers: buckets of rerank_request_duration_seconds, as they are labelled.
LATENCIES_S = ("0.1", "0.25", "0.5", "1.0", "2.5", "5.0")
DEFAULT_LATENCY_S = "1.0"
ALL = VariableOption(selected=True, text="All", value="$__all")


def dashboard() -> Dashboard:
    """All of it."""
    built = (
        Dashboard("bentorank")
        .uid(UID)
        .description("The reranking service: what callers get, where the time goes, and how much more it could do.")
        .tags(["bentorank", "generated"])
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time("now-1h", "now")
        .variables([_data_source(), _job(), _model(), _instance(), _latency()])
        .annotations([_changes(), _losses()])
    )
    ids = count(1)
    for row in ROWS:
        built = built.with_row(Row(row.TITLE).id(next(ids)))
        for panel in row.panels():
            built = built.with_panel(panel.id(next(ids)))
    return built


def _data_source() -> DatasourceVariable:
    return DatasourceVariable("datasource").label("Data source").type("prometheus")


def _job() -> QueryVariable:
    return (
        _labels("job", "Job", "label_values(rerank_info, job)")
        .description("What Prometheus scrapes it as.")
        .current(VariableOption(selected=True, text="bentorank", value="bentorank"))
    )


def _model() -> QueryVariable:
    query = _labels("model", "Model", 'label_values(rerank_info{job=~"$job"}, model)')
    return query.description("Narrows the instances to those that serve it.").multi(True).include_all(True).current(ALL)


def _instance() -> QueryVariable:
    query = _labels("instance", "Instance", 'label_values(rerank_info{job=~"$job",model=~"$model"}, instance)')
    return query.description("Of those that serve the model.").multi(True).include_all(True).current(ALL)


def _latency() -> CustomVariable:
    options = [VariableOption(value == DEFAULT_LATENCY_S, value, value) for value in LATENCIES_S]
    return (
        CustomVariable("latency_s")
        .label("Latency objective (s)")
        .description("99 % of answers are to come within so many seconds.")
        .values(",".join(LATENCIES_S))
        .options(options)
        .current(VariableOption(selected=True, text=DEFAULT_LATENCY_S, value=DEFAULT_LATENCY_S))
    )


def _labels(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(data_source())
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _changes() -> AnnotationQuery:
    """What was not there a minute ago: a deploy, or another model. It is not so for more than that minute."""
    now = chosen("rerank_info")
    serves = f"max by (version, model, precision) ({now})"
    before = f"max by (version, model, precision) ({now} offset 1m)"
    return _annotation("Version or model", f"{serves} unless {before}", "blue")


def _losses() -> AnnotationQuery:
    lost = increase("rerank_worker_restarts_total", by=("reason",), window="2m")
    return _annotation("Worker lost", f"{lost} > 0", "red")


def _annotation(name: str, promql: str, colour: str) -> AnnotationQuery:
    return AnnotationQuery().name(name).datasource(data_source()).enable(True).icon_color(colour).expr(promql)
