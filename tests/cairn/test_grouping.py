"""Groups with a memory: what holds whatever comes in, and one story told night by night."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.errors import CairnError
from cairn.group_members import REASONS, Left, Lock, Member, Need, Standing
from cairn.group_rules import GroupRules, group_rules_from, load_group_rules
from cairn.grouping import assign
from cairn.settings import Settings

TODAY = date(2026, 10, 14)
RULES = GroupRules(smallest=2, largest=4, per_class=3)
PUPILS = [f"p{number:02d}" for number in range(14)]
CLASSES = {pupil: f"c{number % 3}" for number, pupil in enumerate(PUPILS)}
TOPICS = ["k1", "k2", "k3"]


def need(pupil: str, topic: str = "k1", *, stuck: bool = False, share: float = 0.5, room: str = "c0") -> Need:
    return Need(pupil, "s1", room, topic, stuck, share)


def stood(members: list[Member], states: dict[tuple[str, str], str] | None = None) -> list[Standing]:
    """Last night's members as the next night finds them: nobody has moved, all develop but for ``states``."""
    return [
        Standing(
            one.group_id,
            one.group_since_date,
            one.student_key,
            one.school_id,
            one.competency_id,
            one.joined_date,
            one.class_id,
            (states or {}).get((one.student_key, one.competency_id), "developing"),
        )
        for one in members
    ]


def teams(members: list[Member]) -> dict[str, list[str]]:
    """Group to pupils."""
    found: dict[str, list[str]] = {}
    for one in members:
        found.setdefault(one.group_id, []).append(one.student_key)
    return found


@st.composite
def nights(draw: st.DrawFn) -> tuple[list[Need], list[Standing], list[Lock], GroupRules]:
    pairs = [(pupil, topic) for pupil in PUPILS for topic in TOPICS]
    needs = [
        need(pupil, topic, stuck=draw(st.booleans()), share=draw(st.sampled_from([0.2, 0.4, 0.6])), room=CLASSES[pupil])
        for pupil, topic in draw(st.lists(st.sampled_from(pairs), unique=True, max_size=25))
    ]
    # Memory may hold what no night made: a pupil twice, groups of one or of all.
    places = st.tuples(st.sampled_from(["g1", "g2", "g3", "g4"]), st.sampled_from(PUPILS))
    state = st.sampled_from(["developing", "mastered", "review_due", None])
    standing = [
        Standing(
            group_id,
            TODAY - timedelta(days=9),
            pupil,
            "s1",
            {"g1": "k1", "g2": "k1", "g3": "k2", "g4": "k3"}[group_id],
            TODAY - timedelta(days=5),
            draw(st.sampled_from([CLASSES[pupil], CLASSES[pupil], None])),
            draw(state),
        )
        for group_id, pupil in draw(st.lists(places, unique=True, max_size=16))
    ]
    locks = [
        Lock(pupil, "s1", CLASSES[pupil], topic)
        for pupil, topic in draw(st.lists(st.sampled_from(pairs), unique=True, max_size=5))
    ]
    smallest = draw(st.integers(2, 3))
    rules = GroupRules(smallest, draw(st.integers(smallest, 5)), draw(st.integers(1, 3)), draw(st.booleans()))
    return needs, standing, locks, rules


@settings(max_examples=150, deadline=None)
@given(nights(), st.randoms(use_true_random=False))
def test_what_holds_whatever_comes_in(night: tuple[list[Need], list[Standing], list[Lock], GroupRules], dice) -> None:  # type: ignore[no-untyped-def]
    needs, standing, locks, rules = night
    members, left = assign(needs, standing, locks, rules, TODAY)
    assert max(Counter(one.student_key for one in members).values(), default=1) == 1, "nobody is in two groups"

    wanted, locked = (
        {(n.student_key, n.competency_id) for n in needs},
        {(k.student_key, k.competency_id) for k in locks},
    )
    for one in members:
        pair = (one.student_key, one.competency_id)
        assert pair in (locked if one.is_locked else wanted), "she needs it, or the school has put her there"
    seats: dict[str, list[Member]] = {}
    for one in members:
        seats.setdefault(one.group_id, []).append(one)
    for group in seats.values():
        is_locked = any(one.is_locked for one in group)
        assert len(group) >= 2 and (is_locked or rules.smallest <= len(group) <= rules.largest)
        assert len({(one.school_id, one.competency_id, one.group_since_date) for one in group}) == 1
        assert rules.is_across or is_locked or len({one.class_id for one in group}) == 1
        if is_locked and not all(one.is_new for one in group):
            assert all(one.is_locked for one in group if one.is_new), "a locked group takes nobody by itself"

    before, now = {(s.group_id, s.student_key) for s in standing}, {(m.group_id, m.student_key) for m in members}
    assert {(one.group_id, one.student_key) for one in left} == before - now, "who left has a reason, and one only"
    assert len(left) == len(before - now) and {one.reason for one in left} <= set(REASONS)
    assert {(m.group_id, m.student_key) for m in members if not m.is_new} <= before
    assert not {(m.group_id, m.student_key) for m in members if m.is_new} & before

    for rows in (needs, standing, locks):
        dice.shuffle(rows)
    assert assign(needs, standing, locks, rules, TODAY) == (members, left), "in whatever order it came"


def test_memory_with_a_pupil_twice_in_what_she_is_locked_into_keeps_her_once() -> None:
    """Found by the property test: both seats were kept, and the second to go was not there any more."""
    since, joined = TODAY - timedelta(days=9), TODAY - timedelta(days=5)
    standing = [
        Standing(group_id, since, pupil, "s1", "k1", joined, "c0", "developing")
        for group_id, pupil in (("g1", "p00"), ("g1", "p03"), ("g2", "p00"))
    ]
    locks = [Lock("p00", "s1", "c0", "k1")]
    members, left = assign([need("p03", "k1", room="c0")], standing, locks, GroupRules(2, 4, 1, False), TODAY)
    assert [(one.group_id, one.student_key, one.is_locked) for one in members] == [
        ("g1", "p03", False),
        ("g1", "p00", True),
    ]
    assert [(one.group_id, one.student_key, one.reason) for one in left] == [("g2", "p00", "locked_elsewhere")]


@settings(max_examples=80, deadline=None)
@given(nights())
def test_a_night_in_which_nothing_changed_changes_nobody(
    night: tuple[list[Need], list[Standing], list[Lock], GroupRules],
) -> None:
    """Once the groups are made and nobody mastered, moved or got stuck, they stand as they are for good."""
    needs, standing, locks, rules = night
    members, _ = assign(needs, standing, locks, rules, TODAY)
    again, left = assign(needs, stood(members), locks, rules, TODAY + timedelta(days=1))
    assert left == []
    kept = {(one.group_id, one.student_key, one.joined_date) for one in again if not one.is_new}
    assert kept == {(one.group_id, one.student_key, one.joined_date) for one in members}


def test_a_story_of_five_nights() -> None:
    class_of_five = [need(pupil, stuck=pupil < "p02", share=int(pupil[1:]) / 10) for pupil in PUPILS[:5]]
    first, _ = assign(class_of_five, [], [], RULES, TODAY)
    assert sorted(teams(first).values()) == [["p00", "p01", "p02"], ["p03", "p04"]], "even groups, those stuck first"

    # p00 mastered it; p03 is stuck on something else, but alone: no reason to leave.
    needs = [*class_of_five[1:], need("p03", "k2", stuck=True)]
    second, left = assign(needs, stood(first, {("p00", "k1"): "mastered"}), [], RULES, TODAY + timedelta(days=1))
    assert [(one.student_key, one.reason) for one in left] == [("p00", "mastered")]
    assert sorted(teams(second).values()) == [["p01", "p02"], ["p03", "p04"]]

    # p05 is stuck on k2 as well: p03 leaves for it, and p04, left alone, joins the others.
    needs.append(need("p05", "k2", stuck=True))
    third, left = assign(needs, stood(second), [], RULES, TODAY + timedelta(days=2))
    assert [(one.student_key, one.reason) for one in left] == [("p03", "more_urgent"), ("p04", "too_small")]
    assert sorted(teams(third).values()) == [["p01", "p02", "p04"], ["p03", "p05"]]

    # The school locks p01 and p02, who master it the same day: they stay, and nobody comes to them.
    locks = [Lock("p01", "s1", "c0", "k1"), Lock("p02", "s1", "c0", "k1")]
    needs = [one for one in needs if one.student_key not in ("p01", "p02")] + [need("p06"), need("p07")]
    done = {("p01", "k1"): "mastered", ("p02", "k1"): "mastered"}
    fourth, left = assign(needs, stood(third, done), locks, RULES, TODAY + timedelta(days=3))
    (kept,) = [group for group in teams(fourth).values() if "p01" in group]
    assert "p02" in kept and not {"p06", "p07"} & set(kept) and not {"p01", "p02"} & {one.student_key for one in left}

    # Unlocked, they leave; p07 has left the class.
    rows = [replace(one, class_now=None) if one.student_key == "p07" else one for one in stood(fourth, done)]
    needs = [one for one in needs if one.student_key != "p07"]
    _, left = assign(needs, rows, [], RULES, TODAY + timedelta(days=4))
    assert {("p01", "mastered"), ("p02", "mastered"), ("p07", "left_class")} <= {
        (one.student_key, one.reason) for one in left
    }


def test_a_lock_makes_a_group_across_needs_and_sizes() -> None:
    """Six pupils whom the school wants together, in a district of four a group; one more is locked alone, so not."""
    locks = [Lock(pupil, "s1", "c0", "k9") for pupil in PUPILS[:6]] + [Lock("p06", "s1", "c1", "k8")]
    before = [Standing("g1", TODAY, "p00", "s1", "k1", TODAY, "c0", "developing")]
    members, left = assign([need("p00"), need("p06"), need("p07")], before, locks, RULES, TODAY)
    assert sorted(map(sorted, teams(members).values())) == [PUPILS[:6], ["p06", "p07"]]
    assert left == [Left("g1", "p00", "s1", "k1", "locked_elsewhere")]


@pytest.mark.parametrize(("is_across", "expected"), [(True, [["p00", "p01"]]), (False, [])])
def test_across_classes_where_the_school_allows_it(is_across: bool, expected: list[list[str]]) -> None:
    rules = replace(RULES, is_across=not is_across, across={"s1": is_across})
    members, _ = assign([need("p00", room="c0"), need("p01", room="c1")], [], [], rules, TODAY)
    assert list(teams(members).values()) == expected


def test_a_school_that_no_longer_groups_across_classes_parts_them() -> None:
    needs = [need("p00", room="c0"), need("p01", room="c1"), need("p02", room="c0")]
    together, _ = assign(needs, [], [], replace(RULES, is_across=True), TODAY)
    assert [sorted(group) for group in teams(together).values()] == [["p00", "p01", "p02"]]
    apart, left = assign(needs, stood(together), [], RULES, TODAY)
    assert [sorted(group) for group in teams(apart).values()] == [["p00", "p02"]]
    assert [(one.student_key, one.reason) for one in left] == [("p01", "left_class")]


def test_a_class_has_no_more_groups_than_an_adult_can_hold() -> None:
    needs = [need(f"q{topic}{number}", f"k{topic}") for topic in range(4) for number in range(2)]
    members, _ = assign(needs, [], [], RULES, TODAY)
    assert len(teams(members)) == RULES.per_class


def test_rules_of_the_district(tmp_path: Path) -> None:
    given_rules = load_group_rules(Settings(home=tmp_path))
    assert (given_rules.smallest, given_rules.largest, given_rules.per_class) == (2, 6, 3)
    assert not given_rules.groups_across("any"), "within classes until a district says otherwise"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"largest": 1}, "groups.yaml: largest: 1 is less than the minimum"),
        ({"smallest": 7}, "groups.yaml: largest: 6 is under smallest, 7"),
        ({"groups_across_classes": {"all_schools": True, "schools": {"s1": "no"}}}, "groups_across_classes.schools.s1"),
        ({"biggest": 3}, "Additional properties are not allowed"),
    ],
)
def test_rules_that_cannot_be_name_the_key(change: dict[str, Any], said: str) -> None:
    right = {"smallest": 2, "largest": 6, "per_class": 3, "groups_across_classes": {"all_schools": False}}
    assert group_rules_from(right).largest == 6
    with pytest.raises(CairnError, match=re.escape(said)):
        group_rules_from(right | change)
