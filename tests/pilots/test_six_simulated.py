"""Six pilots of simulated districts, on the rows that marts should hold: what hangs on truth and not on the draw."""

from __future__ import annotations

import pytest

from benchmarks.simulated_pilots import Simulated, card_of, simulated
from cairn.errors import UsageError
from pilots.evaluate import evaluate


@pytest.fixture(scope="module", params=[7, 8, 9])
def six(request: pytest.FixtureRequest) -> dict[str, Simulated]:
    """The demo's seed and the two after it: 82 schools of 24 pupils, 30 days."""
    return simulated(request.param, 82, 82 * 24, 30, 6, 0.02)


def test_each_gets_the_word_that_its_truth_asks_for(six: dict[str, Simulated]) -> None:
    cards = {name: card_of(one) for name, one in six.items()}
    said = {name: card["recommendation"] for name, card in cards.items()}
    assert said["number-talks"] == "CANNOT TELL"
    assert said["screens-first"] == "HARM"
    assert said["library-hour"] == "INVALID"
    assert cards["library-hour"]["rating"]["baseline_g"] > 0.25
    assert said["peer-tutors"] in ("SCALE", "NEXT WAVE"), "a true effect of .25 SD in three waves"
    # Of these two the word depends on the draw; what has no effect is never brought to more schools for good.
    assert said["fraction-studio"] in ("SCALE", "NEXT WAVE", "ITERATE", "STOP")
    assert said["reading-companion"] in ("NEXT WAVE", "ITERATE", "STOP"), "a true effect of nothing"


def test_waves_are_three_of_four_and_six_held_back(six: dict[str, Simulated]) -> None:
    pilot = six["peer-tutors"]
    card = card_of(pilot)
    assert [(one["waves"], one["schools"]) for one in card["waves"]["groups"]] == [([1], 4), ([2], 4), ([3], 4)]
    assert list(pilot.plan.arms.values()).count("comparison") == 6
    grades = pilot.marts[0].groupby("wave").grade.nunique()
    assert set(grades) == {6}, "all grades in each wave"
    without = evaluate(pilot.plan, *pilot.marts, "learning-1", "2027-06-01")
    assert without["recommendation"] == "CANNOT TELL", "nothing but the windows between tells the waves apart"


def test_six_need_room() -> None:
    with pytest.raises(UsageError, match="82 schools and 30 days"):
        simulated(7, 81, 2000, 60, 6)
    with pytest.raises(UsageError, match="82 schools and 30 days"):
        simulated(7, 82, 2000, 20, 6)
    with pytest.raises(UsageError, match="2 or all 6"):
        simulated(7, 82, 2000, 60, 3)
