"""What the prompts of a batch begin with is taken out once, and nothing is lost by it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bentorank.engines.openvino.shared_beginning import pad_rests, shared_tokens
from bentorank.types import EncodedPair

PAD = 9
PROMPTS = st.lists(st.lists(st.integers(1, 2), min_size=1, max_size=12), min_size=1, max_size=6)


@settings(deadline=None)
@given(prompts=PROMPTS, beginning=st.lists(st.integers(1, 3), max_size=8))
def test_every_prompt_is_its_beginning_and_its_rest(prompts: list[list[int]], beginning: list[int]) -> None:
    """Whatever they share; each keeps a token, after which its score is read."""
    ids = [beginning + prompt for prompt in prompts]
    batch = [EncodedPair(np.array(prompt)) for prompt in ids]
    inputs = pad_rests(batch, PAD, width_of=lambda width: width + 3).as_inputs()
    lengths = inputs["attention_mask"].sum(axis=1)
    shared = inputs["shared_ids"][0].tolist()
    rests = zip(inputs["input_ids"].tolist(), lengths.tolist(), strict=True)
    assert [shared + rest[:length] for rest, length in rests] == ids
    assert (lengths > 0).all()
    assert inputs["input_ids"].shape == (len(ids), lengths.max() + 3)
    assert (inputs["input_ids"][inputs["attention_mask"] == 0] == PAD).all()


@settings(deadline=None)
@given(prompts=PROMPTS.filter(lambda prompts: len(prompts) > 1))
def test_no_more_could_be_shared(prompts: list[list[int]]) -> None:
    """The next token is another in one of them, or the last of one."""
    shared = shared_tokens([EncodedPair(np.array(prompt)) for prompt in prompts])
    assert all(one[:shared] == other[:shared] for one, other in pairwise(prompts))
    assert len({prompt[shared] for prompt in prompts}) > 1 or min(map(len, prompts)) == shared + 1


def test_a_pair_alone_shares_nothing() -> None:
    """So that its width is one of few, for each of which OpenVINO prepares its kernels."""
    assert shared_tokens([EncodedPair(np.arange(7))]) == 0
