"""The policies give the values that their makers publish."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest

from cairn.mastery.policies import canvas
from cairn.mastery.policies.aleks import Points, standings
from cairn.mastery.policies.counts import right_of_last, shares_right, streaks
from cairn.mastery.policies.khan import LEVELS, levels
from cairn.mastery.policies.pair import Pair
from cairn.mastery.policies.rules import Canvas, CognitiveTutor, InARow, MOfN, Results, Threshold

SEVENTY = Fraction(7, 10)


def results(*points: float) -> list[Fraction]:
    return [Fraction(str(one)) for one in points]


def pair(days: Sequence[str], is_mixed: Sequence[bool] | None = None) -> Pair:
    """A pair from a text a day: "110" is right, right, wrong."""
    mixed = is_mixed or [False] * len(days)
    return Pair(
        right=[one == "1" for day in days for one in day],
        day=[number for number, day in enumerate(days) for _ in day],
        is_mixed=[mixed[number] for number, day in enumerate(days) for _ in day],
    )


# Values of the specifications in Canvas's own repository, results in order of work.
@pytest.mark.parametrize(
    ("scores", "last"),
    [
        (canvas.decaying_average(results(1, 2, 3, 4, 5), 65), "4.13"),
        (canvas.decaying_average(results(2, 3, 4), 65), "3.48"),
        (canvas.decaying_average(results(2, 3), 65), "2.65"),
        (canvas.decaying_average(results(3, 1, 5, 4), 75), "3.75"),
        (canvas.decaying_average(results(2.123), 65), "2.12"),
        (canvas.standard_decaying_average(results(1, 2, 3, 4, 5), 65), "4.47"),
        (canvas.standard_decaying_average(results(2, 3, 4), 65), "3.53"),
        (canvas.standard_decaying_average(results(3), 65), "3"),
        (canvas.n_mastery(results(1, 2, 3, 4, 5), 3, Fraction(3)), "4"),
        (canvas.n_mastery(results(1, 2, 3, 4, 5), 4, Fraction(3)), None),
        (canvas.n_mastery(results(4, 5, 1, 3, 2, 3), 3, Fraction(3)), "3.75"),
        (canvas.n_mastery(results(3, 4, 3), 3, Fraction(3)), "3.33"),
        (canvas.n_mastery(results(1, 2, 3, 4), 1, Fraction(3)), "3.5"),
        (canvas.latest(results(1, 2, 4, 5, 3)), "3"),
        (canvas.highest(results(2, 4, 3)), "4"),
        (canvas.average(results(1, 2, 3, 4, 5)), "3"),
    ],
)
def test_canvas_gives_what_canvas_publishes(scores: canvas.Scores, last: str | None) -> None:
    assert scores[-1] == (None if last is None else Decimal(last))


def test_a_half_is_rounded_up_where_floats_and_half_even_round_down() -> None:
    assert canvas.half_up(Fraction("4.125")) == Decimal("4.13")
    assert f"{4.125:.2f}" == "4.12", "what binary floats make of it"
    assert [str(canvas.half_up(Fraction(one))) for one in ("2.675", "1.005", "0.005", "0")] == [
        "2.68",
        "1.01",
        "0.01",
        "0.00",
    ]


def test_a_canvas_result_is_there_when_the_day_is_over() -> None:
    """3 of 4 right is 3.75 of 5 points, held through the next day; then its 0 leaves .35 of it."""
    rule = Canvas("standard_decaying_average", Results(Fraction(5), Fraction(3), by_day=True), 65)
    found = rule.verdicts(pair(["1110", "00"]))
    assert found.state == [None, None, None, Decimal("3.75"), Decimal("3.75"), Decimal("1.31")]
    assert found.is_mastery == [False, False, False, True, True, False]
    assert found.first_call == 3
    each = Canvas("latest", Results(Fraction(5), Fraction(3), by_day=False)).verdicts(pair(["01"]))
    assert each.state == [Decimal(0), Decimal(5)]


def test_khan_levels_of_exercises() -> None:
    """69 % and 70 % of ten, all right; an exercise does not lower."""
    days = ["1" * 69 + "0" * 31, "1" * 7 + "0" * 3, "11111", "00000"]
    found = levels(pair(days), SEVENTY)
    ends = [99, 109, 114, 119]
    assert [LEVELS[found[end]] for end in ends] == ["attempted", "familiar", "proficient", "proficient"]
    assert set(found[:99]) == {0}, "an exercise says nothing before it is over"


def test_khan_levels_on_mixed_tests() -> None:
    """Proficient, right: mastered; missed: one level down each; a right one from not started is familiar."""
    found = levels(pair(["111", "10000"], [False, True]), SEVENTY)
    assert [LEVELS[one] for one in found[2:]] == [
        "proficient",
        "mastered",
        "proficient",
        "familiar",
        "attempted",
        "attempted",
    ]
    assert [LEVELS[one] for one in levels(pair(["111"], [True]), SEVENTY)] == ["familiar", "proficient", "mastered"]
    assert [LEVELS[one] for one in levels(pair(["0"], [True]), SEVENTY)] == ["attempted"]


def test_aleks_points() -> None:
    """1, 1 + 2, a wrong one takes one, floor 0; three right in a row are learned."""
    assert standings(pair(["110100"]), Points()) == [1, 3, 2, 3, 2, 1]
    assert standings(pair(["00"]), Points()) == [0, 0]
    assert standings(pair(["1110"]), Points()) == [1, 3, "learned", "learned"]


def test_aleks_is_mastered_by_a_later_day_and_lost_by_one() -> None:
    assert standings(pair(["111", "10", "1"]), Points())[3:] == ["mastered", "mastered", "mastered"]
    assert standings(pair(["111", "01", "1"]), Points())[3:] == [0, 1, 3], "what a check refutes is learned again"
    assert standings(pair(["111", "1", "0"]), Points())[3:] == ["mastered", 0]


def test_counting_policies() -> None:
    right = [True, True, False, True, True, True]
    assert shares_right(right)[-1] == Fraction(5, 6)
    assert streaks(right) == [1, 2, 0, 1, 2, 3]
    assert right_of_last(right, 3) == [1, 2, 2, 2, 2, 3]
    one = pair(["110111"])
    assert InARow(3).verdicts(one).first_call == 5
    assert MOfN(4, 5).verdicts(one).first_call == 4
    assert MOfN(2, 5).verdicts(one).first_call == 1, "m may be reached before n answers"
    assert Threshold(Fraction(4, 5), 5).verdicts(one).first_call == 4, "four of five are exactly .8"
    assert Threshold(Fraction(4, 5), 1).verdicts(one).first_call == 0


def test_cognitive_tutor_asks_for_p_known() -> None:
    found = CognitiveTutor(0.95).verdicts(Pair([True, True], [0, 0], [False, False], [0.9, 0.95]))
    assert found.is_mastery == [False, True]
