"""Who has been silent for too long, and who only loads a model."""

from bentorank.process.silence import SILENT_AFTER_S, SilenceWatch

STEP_S = 0.5
STEPS = int(SILENT_AFTER_S / STEP_S)


def silent_after(watch, steps, *, heard=frozenset(), seconds=STEP_S):
    for _ in range(steps):
        silent = watch.step(seconds, [1, 2], set(heard))
    return silent


def test_a_worker_that_falls_silent_is_named_and_one_that_beats_is_not():
    """Ten seconds after its last beat."""
    watch = SilenceWatch(lambda _: False, STEP_S)
    watch.step(STEP_S, [1, 2], {1, 2})
    assert silent_after(watch, STEPS - 1, heard={2}) == []
    assert silent_after(watch, 1, heard={2}) == [1]


def test_a_worker_that_loads_may_be_silent_for_ever():
    """Loading takes minutes, and it may hold the interpreter."""
    watch = SilenceWatch(lambda _: False, STEP_S)
    assert silent_after(watch, 100 * STEPS) == []
    assert not watch.has_served(1)


def test_a_worker_that_was_stopped_while_it_loads_is_named():
    """That it is stopped can be seen from outside."""
    watch = SilenceWatch(lambda pid: pid == 2, STEP_S)
    assert silent_after(watch, STEPS) == [2]


def test_a_supervisor_that_slept_blames_nobody_for_it():
    """A frozen container or a closed laptop: one long step is no long silence."""
    watch = SilenceWatch(lambda _: False, STEP_S)
    watch.step(STEP_S, [1, 2], {1, 2})
    assert silent_after(watch, 2, seconds=3600) == []


def test_a_pid_that_comes_again_starts_anew():
    """The system gives pids to others."""
    watch = SilenceWatch(lambda _: False, STEP_S)
    watch.step(STEP_S, [1, 2], {1, 2})
    watch.step(STEP_S, [2], {2})
    assert not watch.has_served(1)
    assert silent_after(watch, STEPS, heard={2}) == []
