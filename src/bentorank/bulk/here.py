"""A job in this process, with one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.bulk.parts import PartMaker
from bentorank.bulk.scoring import BulkScorer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bentorank.bulk.order import Order
    from bentorank.bulk.parts import Part, Work
    from bentorank.bulk.workers import Watch
    from bentorank.settings import Settings

# What a kill costs at most, where parts' worth of rows take longer.
PART_S = 60.0


def run_here(works: Sequence[Work], order: Order, settings: Settings, watch: Watch) -> Iterator[Part]:
    """The parts of all splits, in the order of the input; see PartMaker."""
    with BulkScorer(settings, order) as scorer:
        watch.loaded(scorer.loaded)
        watch.began()
        yield from PartMaker(scorer, order, PART_S, watch.is_stopping, watch.advanced).make(works)
