"""The policy on the share, rule by rule, walked over answers whose shares the tests choose.

The pupil's sums steer the share: a model that knows the pupil and the gap alone gives any share behind any answer, and
lets it fall by a known slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.policy import (
    DAY_US,
    NEVER,
    NO_ITEM,
    STATES,
    Standing,
    Transitions,
    is_wheel_spinning,
    nothing_yet,
)
from cairn.mastery.policy_versions import EVER, EvidenceMinimum, SharePolicy
from cairn.mastery.share.formula import GAP_DAYS, PATTERNS, PUPIL_WEIGHT, REFERENCE_POINTS, SKILL_WEIGHTS, WEIGHTS
from cairn.mastery.share.review_date import HORIZON_DAYS, MINUTE_DAYS, Arrays
from cairn.mastery.share.schedule import Schedule
from cairn.mastery.share.state import FIXED, PUPIL
from cairn.mastery.share.walk import Answers, walk

POLICY = SharePolicy(minimum=EvidenceMinimum(3, 2, 2))
# Places of the weights of the pupil's first sum and of the gap.
PUPIL_SUM, GAP = 8, 22
NARROW, WIDE = np.array([-5.0, 0.0, 0.0, 0.0]), np.array([0.7, 0.0, 0.0, 0.0])


def model(slope: float, doubt: FloatArray) -> Arrays:
    """The share's logit is what the pupil's sum says, and ``slope`` for each unit of log(1 + gap in days)."""
    weights = np.zeros(WEIGHTS)
    weights[PUPIL_SUM], weights[GAP] = 1.0, slope
    return weights, np.zeros(PATTERNS), np.zeros((1, SKILL_WEIGHTS)), np.zeros((1, REFERENCE_POINTS)), doubt


def logit(share: FloatArray | float) -> FloatArray:
    return np.log(np.asarray(share) / (1.0 - np.asarray(share)))


def steered(share: FloatArray, number: IntArray, slope: float) -> FloatArray:
    """Pupils' states that give the shares, asked a week ahead, behind the pair's so many-th counted answers."""
    states = PUPIL.empty(share.size)
    at_once = logit(np.clip(share, 1e-9, 1.0 - 1e-9)) - slope * np.log1p(GAP_DAYS)
    states[:, FIXED] = at_once * (PUPIL_WEIGHT + number) / PUPIL_WEIGHT
    return states


@dataclass(frozen=True)
class Story:
    """Answers of one pair: shares behind each a week ahead, days of work, right or wrong, items."""

    shares: FloatArray
    days: FloatArray
    correct: IntArray
    items: IntArray
    slope: float
    doubt: FloatArray
    schedule: Schedule | None = None

    def go_on(self, first: int, last: int, standing: Standing, until_day: float) -> tuple[Transitions, Standing]:
        part = slice(first, last)
        times = np.round(self.days[part] * DAY_US).astype(np.int64)
        answers = Answers(
            offsets=np.array([0, last - first]),
            correct=self.correct[part].astype(np.float64),
            time_us=times,
            day=times // DAY_US,
            item=self.items[part],
            event=np.arange(first, last, dtype=np.uint64),
            residual=np.zeros(last - first),
            pupil=steered(self.shares[part], np.arange(first, last) + 1, self.slope),
        )
        rows = np.zeros(1, dtype=np.int64)
        until_us, schedule = int(until_day * DAY_US), self.schedule or Schedule.always(POLICY, 1)
        return walk(answers, rows, standing, model(self.slope, self.doubt), schedule, 0.8, until_us)


def story(
    shares: Sequence[float],
    days: Sequence[float] | None = None,
    correct: str = "",
    items: Sequence[int] | None = None,
    slope: float = 0.0,
    doubt: FloatArray = NARROW,
) -> Story:
    size = len(shares)
    return Story(
        np.array(shares, dtype=np.float64),
        np.array(range(size) if days is None else days, dtype=np.float64),
        np.array([one == "1" for one in correct or "1" * size], dtype=np.int64),
        np.array(range(size) if items is None else items, dtype=np.int64),
        slope,
        doubt,
    )


def told(one: Story, as_of: float = 10_000.0) -> tuple[list[tuple[str, float]], Standing]:
    """(changes as (to state, day), standing)."""
    room = (one.schedule or Schedule.always(POLICY, 1)).items
    found, standing = one.go_on(0, one.shares.size, nothing_yet(1, room), as_of)
    changes = [(STATES[to], at / DAY_US) for to, at in zip(found.to_state, found.at_us, strict=True)]
    return changes, standing


def states(one: Story) -> list[str]:
    """The states up to just after the last answer."""
    return [to for to, _ in told(one, as_of=float(one.days[-1]) + 0.5)[0]]


def test_too_little_evidence_says_so() -> None:
    changes, standing = told(story([0.99, 0.99]))
    assert changes == [("not_enough_evidence", 0)]
    assert STATES[standing.state[0]] == "not_enough_evidence"


def test_one_item_on_many_days_is_not_enough_evidence() -> None:
    changes, standing = told(story([0.99] * 5, items=[7] * 5))
    assert changes == [("not_enough_evidence", 0)]
    assert standing.items[0].tolist() == [7, NO_ITEM]
    assert standing.days[0] == 5
    assert told(story([0.2] * 5, items=[7] * 5))[0] == [("not_enough_evidence", 0)]
    assert told(story([0.99] * 5, items=[7, 7, 7, 8, 7]))[0][-1] == ("mastered", 3)


def test_what_is_right_in_one_sitting_is_not_mastered_yet() -> None:
    sitting = [0.1, 0.11, 0.12, 0.13]
    assert told(story([0.99] * 4, sitting))[0] == [("not_enough_evidence", 0.1)]
    assert told(story([0.99] * 5, [*sitting, 1.5]))[0][-1] == ("mastered", 1.5)
    # Who has begun is developing, and stays so for the day.
    assert states(story([0.5, 0.6, 0.7, 0.99], sitting)) == ["not_enough_evidence", "developing"]


def test_the_number_and_its_chance_make_mastery() -> None:
    assert states(story([0.7, 0.8, 0.84, 0.86]))[1:] == ["developing", "mastered"]
    doubtful = np.zeros(4)
    assert states(story([0.7, 0.8, 0.84, 0.86], doubt=doubtful))[1:] == ["developing"], "P(.75 or more) is under .9"
    assert states(story([0.7, 0.8, 0.84, 0.96], doubt=doubtful))[1:] == ["developing", "mastered"]


def test_an_interval_that_is_too_wide_says_nothing_yet() -> None:
    assert states(story([0.8] * 5, doubt=WIDE)) == ["not_enough_evidence"]
    assert states(story([0.8, 0.8, 0.8, 0.6, 0.8], doubt=WIDE)) == ["not_enough_evidence", "developing"], (
        "who is likelier not there is developing, and stays so"
    )


def test_one_slip_changes_nothing_and_two_wrong_with_the_number_do() -> None:
    assert states(story([0.9, 0.9, 0.9, 0.7], correct="1110")) == ["not_enough_evidence", "mastered"]
    assert states(story([0.9, 0.9, 0.9, 0.7, 0.6], [0, 1, 2, 2.1, 2.2], "11100"))[-1] == "developing"
    assert states(story([0.9, 0.9, 0.9, 0.85, 0.81], correct="11100"))[-1] == "mastered", "the number holds"
    # Wrong answers of before mastery do not count against it.
    before = story([0.2, 0.2, 0.5, 0.9, 0.7], [0, 1, 2, 3, 3.1], "00110")
    assert states(before) == ["not_enough_evidence", "developing", "mastered"]


def due_after(share: float, slope: float) -> float:
    """Days until a share that is asked a week ahead has fallen to .8."""
    return float(np.exp((logit(0.8) - logit(share)) / slope + np.log1p(GAP_DAYS)) - 1.0 - GAP_DAYS)


@pytest.mark.parametrize("days", [3.0, 62.0, 340.0, 395.0])
def test_review_falls_due_on_the_day_the_share_is_under_the_bar(days: float) -> None:
    slope = float((logit(0.8) - logit(0.92)) / (np.log1p(GAP_DAYS + days) - np.log1p(GAP_DAYS)))
    assert due_after(0.92, slope) == pytest.approx(days)
    one = story([0.92] * 3, slope=slope)
    changes, standing = told(one, as_of=2 + days - 0.01)
    assert changes[-1][0] == "mastered"
    assert standing.next_us[0] / DAY_US == pytest.approx(2 + days, abs=MINUTE_DAYS)
    changes, standing = told(one, as_of=2 + days + 0.01)
    assert changes[-1] == ("review_due", pytest.approx(2 + days, abs=MINUTE_DAYS))
    assert standing.next_us[0] == NEVER


def test_a_share_that_hardly_fades_is_never_due() -> None:
    _, standing = told(story([0.92] * 3, slope=-0.01), as_of=10 * HORIZON_DAYS)
    assert (STATES[standing.state[0]], standing.next_us[0]) == ("mastered", NEVER)


def test_nothing_is_due_on_the_day_of_the_work() -> None:
    slip = story([0.9, 0.9, 0.9, 0.7], correct="1110")
    assert told(slip, as_of=3.9)[0][-1] == ("mastered", 2)
    assert told(slip, as_of=4.1)[0][-1] == ("review_due", 4), "the day after, it is looked at again"


@pytest.mark.parametrize(
    ("answer", "share", "state"),
    [("1", 0.81, "mastered"), ("1", 0.79, "review_due"), ("0", 0.81, "review_due"), ("0", 0.79, "developing")],
)
def test_a_review_ends_with_what_it_shows(answer: str, share: float, state: str) -> None:
    one = story([0.92, 0.92, 0.92, share], [0, 1, 2, 90], "111" + answer, slope=-0.5)
    changes, _ = told(one, as_of=90.5)
    assert ("review_due", pytest.approx(2 + due_after(0.92, -0.5), abs=MINUTE_DAYS)) in changes
    assert changes[-1][0] == state


def test_ten_right_two_hundred_days_and_one_wrong_is_not_mastered() -> None:
    one = story([0.97] * 10 + [0.78], [*range(10), 210], "1" * 10 + "0", slope=-0.8)
    assert states(one)[-2:] == ["review_due", "developing"]


def test_wheel_spinning_counts_until_three_in_a_row() -> None:
    _, standing = told(story([0.5] * 10, correct="110" * 3 + "1"))
    assert standing.without_three[0] == 10
    assert is_wheel_spinning(10)
    _, standing = told(story([0.5] * 10, correct="110" * 2 + "1110"))
    assert standing.without_three[0] == 1
    _, standing = told(story([0.5] * 14, correct="111" + "10" * 5 + "0"))
    assert standing.without_three[0] == 10, "an early streak does not hide what came after it"


EVERYTHING_STRICTER = SharePolicy(
    bar=0.96, floor=0.9, review_share=0.95, wrong_to_lose=1, lost_chance=0.6, minimum=EvidenceMinimum(6, 4, 4)
)


def by_day(*later: tuple[float, SharePolicy]) -> Schedule:
    """The test's policy, and others from some days on."""
    zero, places = np.zeros(1, dtype=np.int64), np.arange(len(later) + 1)
    begins_us = np.array([EVER, *(int(day * DAY_US) for day, _ in later)])
    policies = (POLICY, *(policy for _, policy in later))
    return Schedule(policies, tuple(map(str, places)), np.array([0, places.size]), begins_us, places, zero)


def under(one: Story, *later: tuple[float, SharePolicy]) -> Story:
    return replace(one, schedule=by_day(*later))


def test_a_policy_that_asks_for_more_is_a_transition_of_its_own() -> None:
    one = story([0.92] * 3, slope=-0.01)
    changes, standing = told(under(one, (30, EVERYTHING_STRICTER)), as_of=29)
    assert (changes[-1], standing.next_us[0]) == (("mastered", 2), 30 * DAY_US)
    changes, _ = told(under(one, (30, EVERYTHING_STRICTER)), as_of=30)
    assert changes[-1] == ("mastered", 2), "the day is not begun"
    assert told(under(one, (30, EVERYTHING_STRICTER)), as_of=30.1)[0][-1] == ("review_due", 30)
    assert told(under(one, (2.5, EVERYTHING_STRICTER)))[0][-1] == ("review_due", 3), "nobody is asked on the next day"
    sure = story([0.999] * 3, slope=-0.01)
    assert told(under(sure, (30, EVERYTHING_STRICTER)))[0] == told(sure)[0], "who is over every bar stays"
    later = (2 + HORIZON_DAYS + 1, EVERYTHING_STRICTER)
    assert told(under(one, later))[0] == told(one)[0], "so far ahead nobody looks"


def test_a_review_falls_due_by_the_policy_of_its_day() -> None:
    one = story([0.92] * 3, slope=-0.5)
    days = due_after(0.92, -0.5)
    assert 40 < days < 300
    held = replace(POLICY, review_share=0.5)
    assert told(under(one, (2 + days - 5, held)), as_of=2 + days + 100)[0][-1] == ("mastered", 2)
    # A looser one takes no review back that has fallen due, and one after it asks again.
    assert told(under(one, (2 + days + 5, held)))[0] == told(one)[0]
    back = told(under(one, (2 + days - 5, held), (2 + days + 50, POLICY)))[0]
    assert back[-1] == ("review_due", pytest.approx(2 + days + 50))


def test_a_policy_that_asks_for_more_takes_no_mastery_without_evidence() -> None:
    shares, days = [0.98] * 3 + [0.97, 0.6, 0.6], [0, 1, 2, 5, 6, 6.1]
    minimum = replace(POLICY, minimum=EvidenceMinimum(9, 5, 9))
    assert states(under(story(shares[:4], days[:4]), (4, minimum)))[-1] == "mastered", "a right answer takes nothing"
    slip = story(shares[:5], days[:5], "11110")
    assert told(under(slip, (4, minimum)), as_of=6.5)[0][-1] == ("mastered", 2), "nor does one slip"
    two = story(shares, days, "111100")
    assert told(under(two, (4, minimum)), as_of=6.5)[0][-1] == ("developing", 6.1)
    assert states(under(two, (4, replace(minimum, wrong_to_lose=9))))[-1] == "mastered"


def test_who_is_called_mastered_has_what_is_asked_by_then() -> None:
    minimum = replace(POLICY, minimum=EvidenceMinimum(5, 4, 5))
    right = story([0.5, 0.5, 0.5, 0.99, 0.99])
    assert told(under(right, (2.5, minimum)), as_of=4.5)[0] == [
        ("not_enough_evidence", 0),
        ("developing", 2),
        ("mastered", 4),
    ]
    # A review is passed by an answer that holds, once there is as much evidence as is asked for.
    due = story([0.92] * 3 + [0.97, 0.97], [0, 1, 2, 100, 101], slope=-0.5)
    after = told(under(due, (80, minimum)), as_of=101.5)[0]
    assert [state for state, _ in after] == ["not_enough_evidence", "mastered", "review_due", "mastered"]
    assert after[-1][1] == 101
    assert told(due, as_of=100.5)[0][-1] == ("mastered", 100)


def test_what_was_said_is_not_unsaid_for_want_of_evidence() -> None:
    minimum = replace(POLICY, minimum=EvidenceMinimum(20, 9, 2))
    assert states(under(story([0.5] * 5), (3.5, minimum))) == ["not_enough_evidence", "developing"]
    assert states(under(story([0.5] * 5), (1.5, minimum))) == ["not_enough_evidence"]
    looser = replace(POLICY, minimum=EvidenceMinimum(1, 1, 1))
    assert told(under(story([0.99] * 3, [0, 0.1, 0.2]), (0.15, looser)), as_of=1)[0][-1] == ("mastered", 0.2)


answers = st.lists(
    st.tuples(st.floats(0.01, 0.99), st.booleans(), st.integers(1, 3), st.sampled_from([0.2, 1.0, 5.0, 60.0])),
    min_size=1,
    max_size=30,
)


def drawn(work: list[tuple[float, bool, int, float]]) -> Story:
    shares, right, items, steps = zip(*work, strict=True)
    marks = "".join("1" if one else "0" for one in right)
    return story(shares, np.round(np.cumsum(steps), 6).tolist(), marks, items, slope=-0.5)


LATER = st.lists(
    st.tuples(st.sampled_from([2.0, 9.0, 15.0, 60.0]), st.sampled_from([EVERYTHING_STRICTER, POLICY])), max_size=4
)


@given(answers, st.integers(1, 29), LATER)
def test_nights_that_go_on_say_what_one_says(
    work: list[tuple[float, bool, int, float]], cut: int, later: list[tuple[float, SharePolicy]]
) -> None:
    days = np.cumsum([step for step, _ in later]).tolist()
    one = under(drawn(work), *((day, policy) for day, (_, policy) in zip(days, later, strict=True)))
    size, begun = len(work), nothing_yet(1, EVERYTHING_STRICTER.minimum.items)
    # A night ends with a local day: the cut is where a new one begins.
    cut = next((i for i in range(min(cut, size), size) if one.days[i] // 1 > one.days[i - 1] // 1), size)
    end = float(one.days[-1]) + 200.0
    whole, at_once = one.go_on(0, size, begun, end)
    first, standing = one.go_on(0, cut, begun, end if cut == size else float(one.days[cut] // 1))
    parts = [first]
    if cut < size:
        second, standing = one.go_on(cut, size, standing, end)
        parts.append(second)
    assert [at for part in parts for at in part.at_us.tolist()] == whole.at_us.tolist()
    assert [to for part in parts for to in part.to_state.tolist()] == whole.to_state.tolist()
    for name in ("state", "since_us", "next_us", "days", "wrong", "counted", "items", "sums", "pupil"):
        np.testing.assert_array_equal(getattr(standing, name), getattr(at_once, name))


@given(answers, st.sampled_from([0.5, 1.0, 1.75, 4.0, 12.5, 80.0]), LATER)
def test_a_policy_changes_nothing_before_its_day(
    work: list[tuple[float, bool, int, float]], day: float, later: list[tuple[float, SharePolicy]]
) -> None:
    one = drawn(work)
    days = np.cumsum([day, *(step for step, _ in later)]).tolist()
    others = [EVERYTHING_STRICTER, *(policy for _, policy in later)]
    as_ever, changed = told(one)[0], told(under(one, *zip(days, others, strict=True)))[0]
    assert [at for at in changed if at[1] < day] == [at for at in as_ever if at[1] < day]


@given(answers, st.integers(1, 29))
def test_a_state_depends_on_nothing_after_it(work: list[tuple[float, bool, int, float]], cut: int) -> None:
    one, part = drawn(work), drawn(work[:cut])
    found, _ = told(part, as_of=float(part.days[-1]))
    assert told(one, as_of=float(one.days[-1]))[0][: len(found)] == found
