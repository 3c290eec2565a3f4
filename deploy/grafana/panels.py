"""Panels in the house style: each has a unit, a sentence that says how to read it, and the chosen data source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from grafana_foundation_sdk.builders import heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions, YAxisConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.models.dashboard import Panel, ValueMapping

# Of the 24 columns of the whole width.
WHOLE, HALF, THIRD, EIGHTH = 24, 12, 8, 3
GRAPH_HEIGHT, NUMBER_HEIGHT, LISTING_HEIGHT = 8, 4, 5
NO_VALUE = "no data"

# Grafana's names of units.
NONE, COUNT, SHARE, SECONDS, BYTES = "none", "short", "percentunit", "s", "bytes"
REQUESTS_PER_S, PASSES_PER_S = "reqps", "suffix: passes/s"
DOCUMENTS_PER_S, PAIRS_PER_S, TOKENS_PER_S = "suffix: docs/s", "suffix: pairs/s", "suffix: tokens/s"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called: `{{label}}` stands for a label's value."""

    promql: str
    legend: str


class PanelBuilder(Protocol):
    """What the builders of all kinds of panels have in common."""

    def build(self) -> Panel: ...
    def id(self, id_val: int) -> Self: ...
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...


def data_source() -> DataSourceRef:
    """The one that is chosen in the dashboard."""
    return DataSourceRef(type_val="prometheus", uid="${datasource}")


def graph(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    stacked: bool = False,
    top: float | None = None,
    columns: int = THIRD,
) -> PanelBuilder:
    """Lines over time from 0 up; `stacked` where they are parts of a whole, `top` where they cannot exceed it."""
    builder = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(30 if stacked else 8)
        .show_points(VisibilityMode.NEVER)
        .min(0)
        .legend(
            VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["mean", "max", "lastNotNull"])
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .targets([_target(letter, query) for letter, query in zip("ABCDEF", queries, strict=False)])
    )
    if stacked:
        builder = builder.stacking(StackingConfig().mode(StackingMode.NORMAL))
    if top is not None:
        builder = builder.max(top)
    return _finished(builder, title, description, unit, columns, GRAPH_HEIGHT)


def number(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    limits: Sequence[tuple[float | None, str]] = ((None, "text"),),
    names: Mapping[str, tuple[str, str]] | None = None,
    decimals: int | None = None,
    columns: int = EIGHTH,
) -> PanelBuilder:
    """The latest value in large, its course behind it. `limits` are colours from a value up, the first for all below.

    `names` are texts and colours that stand for single values.
    """
    builder = (
        stat.Panel()
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(*limit) for limit in limits]))
        .no_value(NO_VALUE)
        .targets([_target("A", query)])
    )
    if names:
        builder = builder.mappings(_named(names))
    if decimals is not None:
        builder = builder.decimals(decimals)
    return _finished(builder, title, description, unit, columns, NUMBER_HEIGHT)


def spread(title: str, description: str, unit: str, query: Query) -> PanelBuilder:
    """How a histogram's values are spread over its buckets, over time."""
    builder = (
        heatmap.Panel()
        .color(
            HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").fill("orange").exponent(0.5).steps(64)
        )
        .y_axis(YAxisConfig().unit(unit))
        .show_tooltip()
        .targets([_target("A", query).format(PromQueryFormat.HEATMAP)])
    )
    return _finished(builder, title, description, unit, THIRD, GRAPH_HEIGHT)


def listing(title: str, description: str, query: Query, labels: Sequence[str]) -> PanelBuilder:
    """A row for each series now; `labels` are the columns, in that order."""
    hidden = ["Time", "Value", "__name__", "job"]
    organize = {
        "excludeByName": dict.fromkeys(hidden, True),
        "indexByName": {name: place for place, name in enumerate(labels)},
        "renameByName": {},
    }
    builder = (
        table.Panel()
        .show_header(True)
        .targets([_target("A", query).instant().format(PromQueryFormat.TABLE)])
        .with_transformation(DataTransformerConfig(id_val="organize", options=organize))
    )
    return _finished(builder, title, description, NONE, WHOLE, LISTING_HEIGHT)


def _finished(
    builder: PanelBuilder, title: str, description: str, unit: str, columns: int, height: int
) -> PanelBuilder:
    said = builder.title(title).description(description).unit(unit).datasource(data_source())
    return said.span(columns).height(height)


def _target(letter: str, query: Query) -> Dataquery:
    return (
        Dataquery()
        .ref_id(letter)
        .datasource(data_source())
        .editor_mode(QueryEditorMode.CODE)
        .range()
        .expr(query.promql)
        .legend_format(query.legend)
    )


def _named(names: Mapping[str, tuple[str, str]]) -> list[ValueMapping]:
    return [ValueMap({value: ValueMappingResult(text, colour) for value, (text, colour) in names.items()})]
