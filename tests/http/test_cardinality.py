"""Whatever ten thousand strangers send, the metrics have as many series as before."""

import pytest
from support.strangers import series_before_and_after


@pytest.mark.parametrize("served", ["service", "guarded_service"])
def test_series_stay_as_many_as_they_were(request, served):
    """Paths, methods, query strings, models, keys and headers: neither BentoML's series grow nor ours."""
    before, after = series_before_and_after(request.getfixturevalue(served), 5_000, served)
    assert after == before
