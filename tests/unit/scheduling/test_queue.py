"""The fair queue: who goes first, and that everybody goes."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bentorank.scheduling.batching import BatchBudget
from bentorank.scheduling.queue import FairQueue, QueuedRequest
from bentorank.types import EncodedPair

BUDGET = BatchBudget(max_batch_tokens=512, forward_overhead_tokens=16)


def request_of(*lengths, deadline=None):
    pairs = [EncodedPair(np.zeros(length, dtype=np.int64)) for length in lengths]
    return QueuedRequest.of(pairs, deadline)


def drain(queue):
    """The requests of each batch until the queue is empty."""
    batches = []
    while len(queue):
        batches.append(queue.take_batch(BUDGET))
    return batches


def finishing_order(batches):
    last_seen = {}
    for number, shares in enumerate(batches):
        for share in shares:
            last_seen[id(share.request)] = number
    return last_seen


def test_callers_are_those_who_share_the_device():
    """A request that was served ahead of its share still counts, further ones of a caller do not, nor who has left."""
    queue = FairQueue()
    pairs = [EncodedPair(np.zeros(128, dtype=np.int64))] * 4
    large, gone = request_of(*[128] * 500), request_of(*[128] * 4)
    for request in (large, gone, request_of(128), QueuedRequest.of(pairs, None, is_further=True)):
        queue.add(request)
    assert queue.callers == 3
    queue.remove(gone)
    assert queue.callers == 2
    queue.take_batch(BatchBudget(128, 0))
    assert queue.callers == 2
    queue.take_batch(BatchBudget(512, 0))
    assert queue.callers == 1
    queue.remove(large)
    drain(queue)
    assert queue.callers == 0


def test_a_small_request_overtakes_a_large_one_that_came_first():
    """Eight documents do not wait for five hundred."""
    queue = FairQueue()
    hog, small = request_of(*[128] * 500), request_of(*[128] * 8)
    queue.add(hog)
    queue.take_batch(BUDGET)
    queue.add(small)
    finished = finishing_order(drain(queue))
    assert finished[id(small)] <= 2
    assert finished[id(hog)] > 100


def test_pairs_of_a_large_request_do_not_go_into_the_passes_of_a_small_one():
    """A small request's passes stay as short as they are alone, although a large one could fill them."""
    queue = FairQueue()
    hog, small = request_of(*[128] * 500), request_of(128, 64)
    queue.add(hog)
    queue.add(small)
    shares = queue.take_batch(BUDGET)
    assert [share.request for share in shares] == [small]


def test_requests_of_about_one_size_share_passes_that_need_no_padding():
    """The longest pairs of both go together, before the shorter pair of either."""
    queue = FairQueue()
    first, second = request_of(128, 64), request_of(128, 60)
    queue.add(first)
    queue.add(second)
    stepped = replace(BUDGET, padded_width=lambda length: -(-length // 16) * 16)
    batches = [[(share.request, share.positions) for share in queue.take_batch(stepped)] for _ in range(2)]
    assert batches == [[(second, [0]), (first, [0])], [(second, [1]), (first, [1])]]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 1000))
def test_who_takes_part_has_the_first_pairs_computed_first(lengths, block_tokens):
    """Each pair once; none before all of the blocks ahead of its own are taken, and the queue counts every token."""
    pairs = [EncodedPair(np.zeros(length, dtype=np.int64)) for length in lengths]
    queue = FairQueue()
    queue.add(QueuedRequest.of(pairs, None, block_tokens))
    assert queue.tokens == sum(lengths)
    taken = []
    while len(queue):
        (share,) = queue.take_batch(BUDGET)
        taken += share.positions
    assert queue.tokens == 0
    assert sorted(taken) == list(range(len(lengths)))
    for number, position in enumerate(taken):
        left_out = set(range(position)) - set(taken[:number])
        assert sum(lengths[place] for place in left_out) <= block_tokens + max(lengths)


def test_an_empty_queue_has_no_batch():
    """Nothing waits, nothing is taken."""
    assert FairQueue().take_batch(BUDGET) == []


def test_equal_requests_are_served_first_come_first_served():
    """The second of two equal requests does not slow the first down."""
    queue = FairQueue()
    first, second = request_of(*[128] * 16), request_of(*[128] * 16)
    queue.add(first)
    queue.add(second)
    finished = finishing_order(drain(queue))
    assert finished[id(first)] < finished[id(second)]
    assert finished[id(first)] <= 4


def test_a_stream_of_small_requests_does_not_starve_a_large_one():
    """A large request ends while small ones keep coming: it waits no longer than under equal sharing."""
    queue = FairQueue()
    hog = request_of(*[128] * 40)
    queue.add(hog)
    batches = 0
    while hog.lengths:
        queue.add(request_of(*[128] * 4))
        queue.take_batch(BUDGET)
        batches += 1
        assert batches < 120, "the large request starves"


def test_small_requests_overtake_however_many_large_ones_there_are_and_however_old():
    """A small request finishes no later than under equal sharing, plus a batch, also when large ones near their end."""
    queue = FairQueue()
    hogs = [request_of(*[128] * 200) for _ in range(8)]
    for hog in hogs:
        queue.add(hog)
    waiting: dict[int, QueuedRequest] = {}
    equal_sharing = 2 * 128 * (len(hogs) + 1) / BUDGET.max_batch_tokens
    for batch in range(2000):
        if batch % 4 == 0:
            waiting[batch] = request_of(128, 128)
            queue.add(waiting[batch])
        queue.take_batch(BUDGET)
        for came in [came for came, small in waiting.items() if not small.lengths]:
            del waiting[came]
            assert batch + 1 - came <= equal_sharing + 1
        for place, hog in enumerate(hogs):
            if not hog.lengths:
                hogs[place] = request_of(*[128] * 200)
                queue.add(hogs[place])


@given(st.lists(st.lists(st.integers(1, 600), min_size=1, max_size=20), min_size=1, max_size=15))
def test_every_pair_of_every_request_leaves_the_queue_once_with_its_place(requests):
    """Draining gives each request all its positions, and leaves no tokens behind."""
    queue = FairQueue()
    queued = [request_of(*lengths) for lengths in requests]
    for request in queued:
        queue.add(request)
    places = {id(request): [] for request in queued}
    for shares in drain(queue):
        for share in shares:
            places[id(share.request)] += [
                (position, pair.length) for position, pair in zip(share.positions, share.pairs, strict=True)
            ]
    for request, lengths in zip(queued, requests, strict=True):
        assert sorted(places[id(request)]) == list(enumerate(lengths))
    assert queue.tokens == 0


@given(st.lists(st.integers(1, 30), min_size=2, max_size=10))
def test_no_request_waits_longer_than_under_equal_sharing(sizes):
    """Each finishes after at most its size times the number of requests, plus a batch for each request."""
    queue = FairQueue()
    queued = [request_of(*[128] * size) for size in sizes]
    for request in queued:
        queue.add(request)
    finished = finishing_order(drain(queue))
    pairs_a_batch = BUDGET.max_batch_tokens // 128
    for request, size in zip(queued, sizes, strict=True):
        equal_share_batches = size * len(sizes) / pairs_a_batch
        assert finished[id(request)] <= equal_share_batches + len(sizes)


def test_an_expired_request_is_dropped_whole_and_the_others_stay():
    """Late work never reaches the device."""
    queue = FairQueue()
    late, patient = request_of(10, 20, deadline=5.0), request_of(30)
    queue.add(late)
    queue.add(patient)
    assert queue.remove_late(now=5.0, tokens_per_s=None) == [late]
    assert queue.tokens == 30
    assert [share.request for share in queue.take_batch(BUDGET)] == [patient]


def test_a_request_is_dropped_when_what_is_left_of_it_would_be_late():
    """30 tokens take 3 s: until 2 s before they were due they may be begun, and what was computed counts."""
    queue = FairQueue()
    request = request_of(10, 20, deadline=5.0)
    queue.add(request)
    assert queue.remove_late(now=1.9, tokens_per_s=10.0) == []
    queue.take_batch(BatchBudget(20, 0))
    assert queue.remove_late(now=3.9, tokens_per_s=10.0) == []
    assert queue.remove_late(now=4.0, tokens_per_s=10.0) == [request]


def test_a_withdrawn_request_takes_its_tokens_along_and_may_be_withdrawn_twice():
    """Cancelling is idempotent and exact."""
    queue = FairQueue()
    request = request_of(10, 20)
    queue.add(request)
    queue.remove(request)
    queue.remove(request)
    assert (queue.tokens, len(queue)) == (0, 0)
