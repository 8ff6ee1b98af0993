"""One period of a class: each pupil has one place, whatever the marts hold."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.class_period import WORDS, Place, Ways, WorksOn, double_booked, period
from cairn.group_members import Need
from cairn.group_rules import GroupRules
from cairn.grouping import assign

TODAY = date(2026, 10, 14)
PUPILS = [f"p{number:02d}" for number in range(12)]
TOPICS = ["k1", "k2", "k3", "k4"]
LISTS = st.dictionaries(st.sampled_from(PUPILS), st.lists(st.sampled_from(TOPICS), unique=True), max_size=12)
WAYS = st.builds(
    Ways,
    moves_on=LISTS,
    reviews=LISTS,
    open_work=LISTS,
    with_class=LISTS,
    stuck=st.sets(st.tuples(st.sampled_from(PUPILS), st.sampled_from(TOPICS))),
)
PLACES = st.lists(
    st.builds(
        Place,
        st.sampled_from(["g1", "g2", "g3"]),
        st.sampled_from([*PUPILS, "of another class"]),
        st.sampled_from([None, TODAY, TODAY - timedelta(days=3)]),
    )
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PUPILS)), PLACES, WAYS)
def test_each_pupil_of_the_class_has_exactly_one_place(pupils: list[str], places: list[Place], ways: Ways) -> None:
    one = period(pupils, places, ways)
    seated = [key for keys in one.groups.values() for key in keys]
    assert Counter([*seated, *(other.student_key for other in one.others)]) == Counter(set(pupils))
    asked = {(place.group_id, place.student_key) for place in places}
    assert {(group_id, key) for group_id, keys in one.groups.items() for key in keys} <= asked
    assert {place.student_key for place in places} & set(pupils) == set(seated), "nobody loses her place in a group"
    for other in one.others:
        assert other.why in WORDS and (other.competency_id is None) == (other.why == "teachers_choice")
        is_stuck = (other.student_key, other.competency_id) in ways.stuck
        assert not is_stuck or other.why == "waits", "what she is stuck on is for an adult"
    kept = [Place(group_id, key, None) for group_id, keys in one.groups.items() for key in keys]
    assert double_booked(kept) == 0


NEEDS = st.lists(
    st.builds(
        Need,
        st.sampled_from(PUPILS),
        st.just("s1"),
        st.just("c1"),
        st.sampled_from(TOPICS),
        st.booleans(),
        st.sampled_from([0.2, 0.4, 0.6]),
    ),
    unique_by=lambda one: (one.student_key, one.competency_id),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(NEEDS)
def test_tonights_groups_can_all_be_held_in_one_period(needs: list[Need]) -> None:
    """What the rule of groups makes has no place twice, so one period holds it as it is."""
    members, _ = assign(needs, [], [], GroupRules(), TODAY)
    places = [Place(one.group_id, one.student_key, one.joined_date) for one in members]
    assert double_booked(places) == 0
    one = period(PUPILS, places, Ways({}, {}, {}, {}))
    assert sum(len(keys) for keys in one.groups.values()) == len(places)
    assert all(2 <= len(keys) <= 6 for keys in one.groups.values()) and len(one.groups) <= 3


def test_what_others_do_in_its_order() -> None:
    ways = Ways(
        moves_on={"a": ["k1"]},
        reviews={"a": ["k2"], "b": ["k2"]},
        open_work={"b": ["k3"], "c": ["k3", "k4"], "d": ["k3"]},
        with_class={"e": ["k1"], "d": []},
        stuck={("c", "k3"), ("d", "k3")},
    )
    places = [Place("g1", "g", TODAY), Place("g2", "g", TODAY - timedelta(days=1)), Place("g1", "h", TODAY)]
    one = period("abcdefgh", places, ways)
    assert one.groups == {"g1": ("h",), "g2": ("g",)}, "who stands in two keeps the one she joined first"
    assert double_booked(places) == 2
    assert one.others == (
        WorksOn("a", "moves_on", "k1"),
        WorksOn("b", "quick_check", "k2"),
        WorksOn("c", "goes_on", "k4"),
        WorksOn("d", "waits", "k3"),
        WorksOn("e", "with_class", "k1"),
        WorksOn("f", "teachers_choice", None),
    )
