"""How many actors a cluster gets, and with what."""

from __future__ import annotations

import pytest

from bentorank.bulk.actor_plan import plan_actors
from bentorank.bulk.errors import BulkError
from bentorank.settings import Settings

GPUS = [{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 4.0}]
CPUS = [{"CPU": 16.0}, {"CPU": 8.0}, {"memory": 1.0}]


@pytest.mark.parametrize(
    ("nodes", "asked", "settings", "plan"),
    [
        (GPUS, None, {}, (3, None, 1, {"device": "cuda"})),
        (GPUS, 2, {"engine": "torch", "device": "cuda"}, (2, None, 1, {"device": "cuda"})),
        (GPUS, None, {"device": "cpu"}, (3, 4, None, {"device": "cpu", "threads": 4})),
        (GPUS, None, {"engine": "openvino"}, (3, 4, None, {"device": "cpu", "threads": 4})),
        (CPUS, None, {}, (2, 8, None, {"device": "cpu", "threads": 8})),
        (CPUS, 3, {"threads": 2}, (3, 4, None, {"device": "cpu", "threads": 2})),
        (CPUS, None, {"engine": "fake"}, (2, 8, None, {})),
    ],
)
def test_an_actor_has_a_gpu_or_the_cores_of_a_node(nodes, asked, settings, plan):
    """One for each there is, unless asked otherwise."""
    found = plan_actors(nodes, Settings(**settings), asked)
    assert (found.size, found.cpus, found.gpus, found.settings) == plan


@pytest.mark.parametrize(
    ("nodes", "asked", "settings", "sentence"),
    [
        (GPUS, 4, {}, "--actors is 4, but Ray has 3 GPUs"),
        (CPUS, None, {"device": "cuda"}, "Ray has no GPU"),
        (GPUS, None, {"device": "cuda:1"}, "use device cuda"),
        (CPUS, 99, {}, "--actors is 99, but Ray has 24 CPUs"),
        ([{}], None, {}, "Ray has no CPU to give"),
    ],
)
def test_more_than_there_is_room_for_is_refused(nodes, asked, settings, sentence):
    """Ray would wait for it for ever."""
    with pytest.raises(BulkError, match=sentence):
        plan_actors(nodes, Settings(**settings), asked)
