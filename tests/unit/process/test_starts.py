"""When a worker that is gone may be started again."""

from bentorank.process.starts import Starts


def pauses(starts, end, tries):
    """Seconds from each end of worker 1 to its next start, while others serve."""
    found, now = [], 0.0
    for _ in range(tries):
        end(now)
        waited = next(step for step in range(1000) if starts.is_due(1, now + step / 4, somebody_serves=True)) / 4
        found.append(waited)
        now += waited
    return found


def test_one_that_served_starts_at_once_and_one_that_never_does_ever_later():
    """The pause grows to ten seconds, and is forgotten once the worker has served."""
    starts = Starts()
    assert pauses(starts, lambda now: starts.ended(1, now, has_served=False), 8) == [0, 1, 2, 4, 8, 10, 10, 10]
    starts.ended(1, 100.0, has_served=True)
    assert starts.is_due(1, 100.0, somebody_serves=False)


def test_one_without_its_device_is_tried_again_ever_more_rarely():
    """Up to once a minute; each try costs those that serve."""
    starts = Starts()
    assert pauses(starts, lambda now: starts.refused(1, now), 8) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_pauses_are_a_workers_own():
    """Another one that was lost meanwhile is replaced at once."""
    starts = Starts()
    starts.refused(1, 0.0)
    assert not starts.is_due(1, 0.5, somebody_serves=True)
    assert starts.is_due(2, 0.5, somebody_serves=True)


def test_one_that_was_refused_waits_for_another_to_serve():
    """Until then it may be the settings, and all of them will be refused."""
    starts = Starts()
    starts.refused(1, 0.0)
    assert not starts.is_due(1, 3600.0, somebody_serves=False)
