"""What holds for any history: bounds, no look ahead, and the published rules told a second way."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.mastery.policies import canvas
from cairn.mastery.policies.aleks import Points, standings
from cairn.mastery.policies.counts import right_of_last, streaks
from cairn.mastery.policies.pair import Pair
from cairn.mastery.policies.rules import Aleks, Canvas, CognitiveTutor, InARow, Khan, MOfN, Results, Rule, Threshold

RESULTS = st.lists(st.fractions(0, 5, max_denominator=12), min_size=1, max_size=12)
BY_ANSWER = Results(Fraction(5), Fraction(3), by_day=False)
BY_DAY = replace(BY_ANSWER, by_day=True)
CANVAS_METHODS = ("decaying_average", "standard_decaying_average", "n_mastery", "latest", "highest", "average")
RULES: list[Rule] = [
    Threshold(Fraction(4, 5), 5),
    InARow(3),
    MOfN(5, 7),
    Khan(Fraction(7, 10)),
    Aleks(Points()),
    CognitiveTutor(0.95),
    *(Canvas(method, results, 65) for method in CANVAS_METHODS for results in (BY_ANSWER, BY_DAY)),
]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Days with their answers, each day mixed or not."""
    days = draw(st.lists(st.tuples(st.lists(st.booleans(), min_size=1, max_size=6), st.booleans()), max_size=6))
    answers = [(one, number, mixed) for number, (day, mixed) in enumerate(days) for one in day]
    known = draw(st.lists(st.floats(0, 1), min_size=len(answers), max_size=len(answers)))
    return Pair([one for one, _, _ in answers], [day for _, day, _ in answers], [m for _, _, m in answers], known)


@given(pairs())
@settings(deadline=None)
def test_every_rule_says_something_after_each_answer_and_names_its_first_call(pair: Pair) -> None:
    for rule in RULES:
        found = rule.verdicts(pair)
        assert len(found.state) == len(found.is_mastery) == len(pair.right)
        first = found.first_call
        assert (first is None) == (not any(found.is_mastery))
        assert first is None or (found.is_mastery[first] and not any(found.is_mastery[:first]))


@given(pairs(), st.data())
@settings(deadline=None)
def test_no_rule_looks_at_later_days(pair: Pair, data: st.DataObject) -> None:
    """Cut off after any whole day, the verdicts up to there are the same."""
    bounds = [i for i in range(1, len(pair.day)) if pair.day[i] != pair.day[i - 1]] + [len(pair.day)]
    end = data.draw(st.sampled_from(bounds))
    start = Pair(pair.right[:end], pair.day[:end], pair.is_mixed[:end], pair.known[:end])
    for rule in RULES:
        whole, cut = rule.verdicts(pair), rule.verdicts(start)
        assert (whole.state[:end], whole.is_mastery[:end]) == (cut.state, cut.is_mastery)


@given(RESULTS, st.integers(50, 99))
@settings(deadline=None)
def test_canvas_scores_lie_between_the_lowest_and_the_highest_result(results: list[Fraction], weight: int) -> None:
    low, high = canvas.half_up(min(results)), canvas.half_up(max(results))
    for scores in (
        canvas.decaying_average(results, weight),
        canvas.standard_decaying_average(results, weight),
        canvas.average(results),
        canvas.latest(results),
        canvas.highest(results),
        canvas.n_mastery(results, 1, Fraction(0)),
    ):
        assert all(score is not None and low <= score <= high for score in scores)


@given(RESULTS, st.integers(1, 99))
@settings(deadline=None)
def test_canvas_averages_are_the_sums_they_stand_for(results: list[Fraction], weight: int) -> None:
    """The decaying average as one formula; the folded one as powers of what is left of each result."""
    share = Fraction(weight, 100)
    *older, last = results
    mixed = share * last + (1 - share) * sum(older, Fraction(0)) / len(older) if older else last
    assert canvas.decaying_average(results, weight)[-1] == canvas.half_up(mixed)
    kept = [share * (1 - share) ** age for age in reversed(range(len(results)))]
    kept[0] = (1 - share) ** (len(results) - 1)
    folded = sum((part * one for part, one in zip(kept, results, strict=True)), Fraction(0))
    assert canvas.standard_decaying_average(results, weight)[-1] == canvas.half_up(folded)


@given(st.fractions(0, 100))
@settings(deadline=None)
def test_half_up_is_the_nearest_hundredth_and_up_at_a_half(points: Fraction) -> None:
    distance = Fraction(canvas.half_up(points)) - points
    assert Fraction(-1, 200) < distance <= Fraction(1, 200)


@given(pairs())
@settings(deadline=None)
def test_n_in_a_row_is_n_of_the_last_n(pair: Pair) -> None:
    assert [one >= 3 for one in streaks(pair.right)] == [one == 3 for one in right_of_last(pair.right, 3)]


@given(pairs())
@settings(deadline=None)
def test_aleks_never_masters_on_the_day_of_learning(pair: Pair) -> None:
    states = standings(pair, Points())
    for i, state in enumerate(states):
        assert not isinstance(state, int) or 0 <= state < 5
        if state == "mastered":
            learned = max(j for j in range(i) if states[j] == "learned" or states[j] == "mastered")
            assert states[learned] == "mastered" or pair.day[learned] < pair.day[i]
