"""Keeps BentoML from reporting home, however it was started."""

from __future__ import annotations

import os

from bentoml._internal.utils.analytics import usage_stats


def forbid_usage_tracking() -> None:
    """Whoever has set BENTOML_DO_NOT_TRACK has decided. `bentoml serve` has looked at it before it imports us."""
    os.environ.setdefault(usage_stats.BENTOML_DO_NOT_TRACK, "True")
    usage_stats.do_not_track.cache_clear()
