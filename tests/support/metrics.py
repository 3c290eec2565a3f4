"""/metrics as numbers."""

from __future__ import annotations

import time

from prometheus_client.parser import text_string_to_metric_families

from support.fetching import fetch

# The service reports its batches every half second.
REPORTED_WITHIN_S = 0.8


def settled_scrape(url: str) -> Scrape:
    """A reading that has everything in it that went before."""
    time.sleep(REPORTED_WITHIN_S)
    return Scrape(url)


class Scrape:
    """One reading of /metrics."""

    def __init__(self, url: str) -> None:
        self.text = fetch(f"{url}/metrics")[1].decode()
        self._samples = [sample for family in text_string_to_metric_families(self.text) for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that carry these labels."""
        return sum(
            sample.value for sample in self._samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def names(self) -> set[str]:
        """Names of all samples."""
        return {sample.name for sample in self._samples}

    @property
    def series(self) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        """Names with labels."""
        return {(sample.name, frozenset(sample.labels.items())) for sample in self._samples}
