"""Which candidate is chosen, by cases and by properties; no clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.evaluation.agreement import Agreement
from bentorank.tuning.candidates import AS_IT_IS, Candidate
from bentorank.tuning.choice import MIN_GAIN, MIN_ROUNDS, Result, choose, is_faster, ratio

AGREEMENT = Agreement(10, 1.0, 0.0, 0.0, 1.0, 1.0)

speeds = st.floats(1, 1e4)


def result(name: str, *pairs_per_s: float, objection: str | None = None) -> Result:
    candidate = AS_IT_IS if name == "as it is" else Candidate((("precision", name),))
    return Result(candidate, pairs_per_s, AGREEMENT, objection, 100.0)


@st.composite
def measured(draw: st.DrawFn) -> tuple[Result, list[Result]]:
    """An incumbent and others, measured in the same rounds, some of which disagree with f32."""
    rounds = draw(st.integers(1, 5))
    objections = st.sampled_from([None, "ranks otherwise"])

    def one(name: str) -> Result:
        speed = draw(st.lists(speeds, min_size=rounds, max_size=rounds))
        return result(name, *speed, objection=draw(objections))

    return one("as it is"), [one(str(number)) for number in range(draw(st.integers(0, 4)))]


@given(measured())
def test_what_disagrees_is_never_chosen_over_what_is_there(rounds: tuple[Result, list[Result]]) -> None:
    """However fast it is."""
    incumbent, others = rounds
    chosen = choose(incumbent, others)
    assert chosen is incumbent or chosen.objection is None


@given(measured())
def test_what_is_there_stays_unless_it_was_beaten_in_every_round(rounds: tuple[Result, list[Result]]) -> None:
    """By a gain that matters, in enough rounds; the median of the chosen is the best of those."""
    incumbent, others = rounds
    chosen = choose(incumbent, others)
    if incumbent.objection is None and chosen is not incumbent:
        assert len(chosen.pairs_per_s) >= MIN_ROUNDS
        assert all(new > old for new, old in zip(chosen.pairs_per_s, incumbent.pairs_per_s, strict=True))
        assert ratio(chosen, incumbent).median >= MIN_GAIN
    beaten = [other for other in others if other.objection is None and is_faster(other, incumbent)]
    assert all(ratio(other, incumbent).median <= ratio(chosen, incumbent).median for other in beaten)


@given(st.lists(st.tuples(speeds, st.floats(-0.02, 0.02)), min_size=3, max_size=5))
def test_noise_moves_nothing(rounds: list[tuple[float, float]]) -> None:
    """Two percent either way are within it, whatever slows the rounds down."""
    incumbent = result("as it is", *(speed for speed, _ in rounds))
    equal = result("f32", *(speed * (1 + noise) for speed, noise in rounds))
    assert choose(incumbent, [equal]) is incumbent


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([result("int8", 120, 60, 130)], "int8"),
        ([result("int8", 120, 60, 130), result("bf16", 150, 70, 140)], "bf16"),
        ([result("int8", 200, 100, 200, objection="ranks otherwise"), result("bf16", 120, 60, 120)], "bf16"),
        ([result("int8", 300, 300, 99)], "as it is"),
        ([result("int8", 102, 51, 102)], "as it is"),
        ([], "as it is"),
    ],
)
def test_the_fastest_that_agrees_wins(others: list[Result], chosen: str) -> None:
    """The second round was slow for everybody; one lost round or two percent are no reason."""
    assert choose(result("as it is", 100, 50, 100), others).candidate == result(chosen).candidate


def test_two_rounds_decide_nothing() -> None:
    """However clear they look."""
    assert not is_faster(result("int8", 200, 200), result("as it is", 100, 100))


def test_settings_in_force_that_disagree_give_way() -> None:
    """To the fastest that agrees, even where that is slower."""
    others = [result("f32", 50, 50, 50), result("bf16", 60, 60, 60), result("x", 99, 99, 99, objection="too")]
    assert choose(result("as it is", 100, 100, 100, objection="ranks otherwise"), others) is others[1]
