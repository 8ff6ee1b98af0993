"""Who is assigned, on random enrolments: the model's SQL against the rule as a person would write it in Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.grades import grade_key
from tests.marts.pilot_sql import query

ASSIGNED, OPENS, CLOSES = date(2026, 8, 20), date(2026, 9, 1), date(2026, 9, 10)
DATA_DATE = date(2026, 12, 18)
ARMS = {"s1": "treatment", "s2": "comparison"}
PUPIL = query("int_pilot_pupil")


@dataclass(frozen=True)
class Period:
    """One enrolment, inclusive."""

    pupil: str
    school: str
    subject: str
    first: date
    last: date


@dataclass(frozen=True)
class Rules:
    """What the plan says of pupils."""

    grades: tuple[str, ...] | None
    subjects: tuple[str, ...] | None
    joiners: str
    leavers: str


def day(number: int) -> date:
    return date(2026, 8, 10) + timedelta(days=number)


PERIODS = st.builds(
    lambda pupil, school, subject, start, days: Period(pupil, school, subject, day(start), day(start + days)),
    st.sampled_from(["p1", "p2"]),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from(["Mathematics", "Reading"]),
    st.integers(0, 40),
    st.integers(0, 140),
)
VERSIONS = st.lists(st.tuples(st.integers(0, 80), st.sampled_from(["05", "5", "06", "KG"])), max_size=3)
RULES = st.builds(
    Rules,
    st.sampled_from([None, ("5",), ("6", "K")]),
    st.sampled_from([None, ("mathematics",)]),
    st.sampled_from(["apart", "counted_until_baseline_closes"]),
    st.sampled_from(["lost", "left_out_before_baseline"]),
)


def by_hand(
    periods: list[Period], versions: dict[str, dict[date, str]], rules: Rules
) -> dict[str, tuple[str, str | None, bool]]:
    """School, grade and whether she joined, by pupil."""
    found: dict[str, tuple[str, str | None, bool]] = {}
    for pupil in {one.pupil for one in periods}:
        hers = [one for one in periods if one.pupil == pupil and one.first <= DATA_DATE]
        in_pilot = [
            one
            for one in hers
            if one.school in ARMS
            and one.last >= ASSIGNED
            and (rules.subjects is None or one.subject.lower() in rules.subjects)
        ]
        if not in_pilot:
            continue
        there = [one for one in in_pilot if one.first <= ASSIGNED]
        if there:
            newest = max(one.first for one in there)
            place = min((one for one in there if one.first == newest), key=lambda one: one.school)
        else:
            place = min(in_pilot, key=lambda one: (one.first, one.school))
        known = versions.get(pupil, {})
        settled = [when for when in known if when < max(ASSIGNED, place.first) + timedelta(days=31)]
        grade = known[max(settled)] if settled else known[min(known)] if known else None
        grade = grade_key(grade) or None
        if rules.grades is not None and grade not in rules.grades:
            continue
        if rules.leavers == "left_out_before_baseline" and max(min(one.last, DATA_DATE) for one in hers) < OPENS:
            continue
        is_early = rules.joiners == "counted_until_baseline_closes" and place.first <= CLOSES
        found[pupil] = (place.school, grade, not there and not is_early)
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(PERIODS, max_size=7), st.tuples(VERSIONS, VERSIONS), RULES)
def test_pupils_are_those_of_the_day_and_the_plan(
    periods: list[Period], told: tuple[list[tuple[int, str]], ...], rules: Rules
) -> None:
    versions = {
        pupil: {day(number): grade for number, grade in one} for pupil, one in zip(("p1", "p2"), told, strict=True)
    }
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            f"create table stg_release as select date '{DATA_DATE}' as data_date,"
            " date '2026-08-10' as school_year_start_date"
        )
        connection.execute(
            "create table stg_pilot_plan as select 'x' as pilot_id, 'h' as plan_hash, $grades::varchar[] as grades,"
            " $subjects::varchar[] as class_subjects, $joiners as joiner_rule, $leavers as leaver_rule,"
            f" date '{ASSIGNED}' as assigned_date, date '{OPENS}' as baseline_from_date,"
            f" date '{CLOSES}' as baseline_until_date",
            {
                "grades": list(rules.grades) if rules.grades else None,
                "subjects": list(rules.subjects) if rules.subjects else None,
                "joiners": rules.joiners,
                "leavers": rules.leavers,
            },
        )
        connection.execute(
            "create table stg_pilot_arm as select 'x' as pilot_id, 'h' as plan_hash, school_id, arm, 1 as wave"
            " from (values ('s1', 'treatment'), ('s2', 'comparison')) as arms (school_id, arm)"
        )
        connection.execute(
            "create table int_student_enrollment (student_key varchar, school_id varchar, subject varchar,"
            " valid_from_date date, valid_to_date date)"
        )
        connection.execute(
            "create table stg_person_version (student_key varchar, grade varchar, recorded_from timestamptz)"
        )
        if periods:
            rows = [list(vars(one).values()) for one in periods]
            connection.executemany("insert into int_student_enrollment values (?, ?, ?, ?, ?)", rows)
        at = [
            [pupil, grade, datetime(when.year, when.month, when.day, tzinfo=UTC)]
            for pupil, known in versions.items()
            for when, grade in known.items()
        ]
        if at:
            connection.executemany("insert into stg_person_version values (?, ?, ?)", at)
        connection.execute(
            f"create table int_pupil_last_school as select student_key, max(least(valid_to_date, date '{DATA_DATE}'))"
            f" as until_date from int_student_enrollment where valid_from_date <= date '{DATA_DATE}' group by all"
        )
        found = connection.execute(f"select student_key, school_id, grade, is_joiner, arm from ({PUPIL})").fetchall()
    assert {pupil: (school, grade, joins) for pupil, school, grade, joins, _ in found} == by_hand(
        periods, versions, rules
    )
    assert all(ARMS[school] == arm for _, school, _, _, arm in found)
    assert len(found) == len({pupil for pupil, *_ in found}), "one row a pupil"
