"""The batch planner: budget, little padding, every pair once, nobody starved."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bentorank.scheduling.batching import BatchBudget, plan_batch

budgets = st.builds(
    BatchBudget,
    max_batch_tokens=st.integers(16, 4096),
    forward_overhead_tokens=st.integers(0, 512),
)
packed_budgets = st.builds(BatchBudget, st.integers(16, 4096), st.just(0), st.just(True))  # noqa: FBT003
lengths = st.lists(st.integers(1, 512), min_size=1, max_size=40).map(lambda values: sorted(values, reverse=True))
pending_requests = st.lists(lengths, min_size=1, max_size=12)


def planned_lengths(pending, batch):
    return [length for part in batch for length in pending[part.request][part.start : part.stop]]


@given(pending_requests, budgets)
def test_a_batch_keeps_the_token_budget_unless_it_is_one_overlong_pair(pending, budget):
    """Pairs × longest pair, padding included, never exceeds the budget."""
    taken = planned_lengths(pending, plan_batch(pending, budget))
    assert len(taken) == 1 or len(taken) * max(taken) <= budget.max_batch_tokens


@given(pending_requests, budgets)
def test_a_batch_is_padded_by_no_more_than_a_pass_of_its_own_would_cost(pending, budget):
    """Sum of the padding stays within the overhead of one forward pass."""
    taken = planned_lengths(pending, plan_batch(pending, budget))
    assert sum(max(taken) - length for length in taken) <= budget.forward_overhead_tokens


@given(pending_requests, budgets, st.sampled_from([1, 8, 16]), st.integers(0, 11))
def test_companions_go_first_only_where_they_cost_no_padding(pending, budget, step, companions):
    """While the first request has pairs left out, those of others have the width of the batch."""
    stepped = replace(budget, padded_width=lambda length: -(-length // step) * step)
    batch = plan_batch(pending, stepped, min(companions, len(pending) - 1))
    if batch[0].stop < len(pending[0]):
        others = [length for part in batch[1:] for length in pending[part.request][part.start : part.stop]]
        assert {-(-length // step) for length in others} <= {-(-pending[0][0] // step)}
        assert all(part.request <= companions for part in batch[1:])


@given(pending_requests, packed_budgets)
def test_without_padding_a_batch_is_as_large_as_its_pairs_together(pending, budget):
    """The sum of the lengths keeps the budget; a batch of all that waits is planned whenever it fits."""
    taken = planned_lengths(pending, plan_batch(pending, budget))
    waiting = sum(map(sum, pending))
    assert len(taken) == 1 or sum(taken) <= budget.max_batch_tokens
    assert sum(taken) == waiting or waiting > budget.max_batch_tokens


@given(pending_requests, budgets | packed_budgets)
def test_the_first_request_always_advances_by_its_longest_pair(pending, budget):
    """The head of the fair order is never passed over."""
    first = plan_batch(pending, budget)[0]
    assert (first.request, first.start) == (0, 0)
    assert first.stop >= 1


@given(pending_requests, budgets | packed_budgets)
def test_slices_are_disjoint_non_empty_and_inside_their_requests(pending, budget):
    """No pair is taken twice."""
    batch = plan_batch(pending, budget)
    assert len({part.request for part in batch}) == len(batch)
    assert all(0 <= part.start < part.stop <= len(pending[part.request]) for part in batch)


@given(pending_requests, budgets | packed_budgets)
def test_repeated_planning_takes_every_pair_exactly_once(pending, budget):
    """Taking batches until nothing is left takes exactly what there was."""
    left = [list(request) for request in pending]
    taken = []
    while left:
        batch = plan_batch(left, budget)
        taken += planned_lengths(left, batch)
        for part in batch:
            del left[part.request][part.start : part.stop]
        left = [request for request in left if request]
    assert sorted(taken) == sorted(length for request in pending for length in request)


def test_room_left_by_one_request_is_filled_from_the_next():
    """Two small requests share one forward pass."""
    batch = plan_batch([[100, 100], [100, 90]], BatchBudget(1024, 32))
    assert [(part.request, part.start, part.stop) for part in batch] == [(0, 0, 2), (1, 0, 2)]


def test_pairs_longer_than_the_anchor_are_left_for_later():
    """Filling never makes the whole batch longer."""
    batch = plan_batch([[100], [300, 100, 20]], BatchBudget(1024, 32))
    assert [(part.request, part.start, part.stop) for part in batch] == [(0, 0, 1), (1, 1, 2)]


def test_companions_fill_the_width_of_the_batch_before_shorter_pairs_do():
    """Three pairs of up to 112 tokens go before one that would be padded; the room left takes that one too."""
    pending = [[112, 100, 90], [300, 109], [105], [110]]
    batch = plan_batch(pending, BatchBudget(560, 32, padded_width=lambda length: -(-length // 16) * 16), companions=2)
    assert {part.request: (part.start, part.stop) for part in batch} == {0: (0, 3), 1: (1, 2), 2: (0, 1)}


def test_without_padding_long_and_short_pairs_share_a_batch():
    """What would be cut to save padding is taken whole, longer pairs of later requests included."""
    batch = plan_batch([[100, 10], [300, 20]], BatchBudget(1024, 32, padding_free=True))
    assert [(part.request, part.start, part.stop) for part in batch] == [(0, 0, 2), (1, 0, 2)]


def test_nothing_pending_plans_nothing():
    """An empty queue gives an empty batch."""
    assert plan_batch([], BatchBudget(1024, 32)) == []


@given(st.integers(1, 4096), st.integers(0, 100_000), st.integers(1, 8), st.integers(0, 512))
def test_streams_share_what_is_left(budget, queued, streams, overhead):
    """A full budget while there is plenty, else no more than a share, or than a pass that is worth starting."""
    share = BatchBudget(budget, overhead).for_one_of(streams, queued).max_batch_tokens
    assert 1 <= share <= budget
    if queued >= budget * streams:
        assert share == budget
    if streams > 1:
        assert share <= max(queued // streams, 8 * overhead, 1)
