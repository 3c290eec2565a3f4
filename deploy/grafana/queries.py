"""PromQL in the few shapes that the panels need, about the job and the instances that are chosen in the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOSEN = 'job=~"$job",instance=~"$instance"'
# Grafana's: wide enough for four scrapes, and for a point of the graph.
WINDOW = "$__rate_interval"
# The whole time that the dashboard shows.
SHOWN = "$__range"


def chosen(metric: str, *matchers: str) -> str:
    """The series of that name that are looked at."""
    return f"{metric}{{{','.join((CHOSEN, *matchers))}}}"


def rate(counter: str, *matchers: str, by: Sequence[str] = (), window: str = WINDOW) -> str:
    """How much is added a second, over all instances."""
    return f"sum{_by(by)} (rate({chosen(counter, *matchers)}[{window}]))"


def increase(counter: str, *matchers: str, by: Sequence[str] = (), window: str = SHOWN) -> str:
    """How much was added in the window, over all instances."""
    return f"sum{_by(by)} (increase({chosen(counter, *matchers)}[{window}]))"


def ratio(part: str, whole: str) -> str:
    """One divided by the other; no value while there was none of the whole."""
    return f"{part} / {whole}"


def mean(histogram: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """The mean of what a histogram saw."""
    total, count = (rate(f"{histogram}_{part}", *matchers, by=by) for part in ("sum", "count"))
    return ratio(total, count)


def quantile(share: float, histogram: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """What that share of what a histogram saw was not above, as far as its buckets tell."""
    return f"histogram_quantile({share}, {buckets(histogram, *matchers, by=by)})"


def buckets(histogram: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """What a histogram saw a second, by bucket."""
    return rate(f"{histogram}_bucket", *matchers, by=("le", *by))


def total(gauge: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """Of all instances together."""
    return f"sum{_by(by)} ({chosen(gauge, *matchers)})"


def worst(gauge: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """Of the instance where it is highest."""
    return f"max{_by(by)} ({chosen(gauge, *matchers)})"


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
