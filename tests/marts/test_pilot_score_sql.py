"""Which scores count, on random results: the model's SQL against the rule as a person would write it in Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.marts.pilot_sql import PLAN_TABLES, query

PUPILS = ("p1", "p2", "elsewhere")
TESTS, SUBJECTS = ("i-Ready Diagnostic", "I-READY  diagnostic", "MAP"), ("Mathematics", "mathematics ", "Reading")
FROM, LAST = {"fall": date(2026, 9, 1), "winter": date(2026, 12, 1)}, timedelta(days=9)
PARTS = {"baseline": "fall", "outcome": "winter"}
SCORE, WINDOWS = query("int_pilot_score"), query("int_pilot_window")


@dataclass(frozen=True)
class Result:
    """One result as loaded."""

    pupil: str
    test: str
    subject: str
    window: str
    measure: str
    taken: date | None
    score: float
    error: float | None


def same(name: str) -> str:
    return " ".join(name.split()).lower()


@st.composite
def results(draw: st.DrawFn) -> Result:
    window = draw(st.sampled_from(["fall", "winter"]))
    taken = draw(st.none() | st.integers(-2, 14).map(lambda days: FROM[window] + timedelta(days=days)))
    return Result(
        pupil=draw(st.sampled_from(PUPILS)),
        test=draw(st.sampled_from(TESTS)),
        subject=draw(st.sampled_from(SUBJECTS)),
        window=window,
        measure=draw(st.sampled_from(["overall", "Overall", "Geometry"])),
        taken=taken,
        score=float(draw(st.integers(0, 5))),
        error=draw(st.none() | st.sampled_from([2.5, 3.0])),
    )


Score = tuple[float | None, float | None]


def by_hand(loaded: list[Result], subject: str | None, make_up: int) -> dict[tuple[str, str], Score]:
    """Score and its standard error by part and pupil, None where no result of hers counts; nothing where she has none
    of the part. Of two like results the one that tells no error counts: it is no worse known than it says. Without a
    subject in the plan one before and another after leave no score at all."""
    parts: dict[str, tuple[list[Result], list[Result]]] = {}
    for part, window in PARTS.items():
        mine = [
            one
            for one in loaded
            if one.pupil != "elsewhere"
            and same(one.test) == "i-ready diagnostic"
            and (one.window, same(one.measure)) == (window, "overall")
            and (subject is None or same(one.subject) == subject)
        ]
        until = FROM[window] + LAST + timedelta(days=make_up)
        parts[part] = mine, [one for one in mine if one.taken and FROM[window] <= one.taken <= until]
    is_mixed = len({same(one.subject) for _, inside in parts.values() for one in inside}) > 1
    found: dict[tuple[str, str], Score] = {}
    for part, (mine, inside) in parts.items():
        for pupil in {one.pupil for one in mine}:
            hers = [
                (one.taken, one.score, one.error is None, one.error or 0.0)
                for one in inside
                if one.pupil == pupil and one.taken
            ]
            if is_mixed or not hers:
                found[part, pupil] = (None, None)
            else:
                _, score, is_untold, error = max(hers)
                found[part, pupil] = (score, None if is_untold else error)
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(results(), max_size=12), st.sampled_from([None, "mathematics", "reading"]), st.integers(0, 3))
def test_only_what_the_plan_names_counts(loaded: list[Result], subject: str | None, make_up: int) -> None:
    with duckdb.connect() as connection:
        columns = ", ".join(
            f"'I-Ready Diagnostic' as {part}_assessment, '{window}' as {part}_window, 'overall' as {part}_measure,"
            f" $subject::varchar as {part}_subject, date '{FROM[window]}' as {part}_from_date,"
            f" date '{FROM[window] + LAST + timedelta(days=make_up)}' as {part}_until_date"
            for part, window in PARTS.items()
        )
        connection.execute(
            "create table stg_pilot_plan as select 'x' as pilot_id, null::varchar as subject,"
            f" null::json[] as between_windows, {columns}",
            {"subject": subject},
        )
        connection.execute(f"create table int_pilot_window as {WINDOWS}")
        connection.execute(
            "create table int_pilot_pupil as select 'x' as pilot_id, unnest(['p1', 'p2']) as student_key"
        )
        connection.execute(
            "create table stg_assessment_result (student_key varchar, assessment varchar, subject varchar,"
            " window_name varchar, measure varchar, taken_date date, scale_score double,"
            " standard_error double)"
        )
        if loaded:
            rows = [list(vars(one).values()) for one in loaded]
            connection.executemany("insert into stg_assessment_result values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        found = connection.execute(f"select part, student_key, score, standard_error from ({SCORE})").fetchall()
    assert {(part, pupil): tuple(rest) for part, pupil, *rest in found} == by_hand(loaded, subject, make_up)
    assert len(found) == len({(part, pupil) for part, pupil, *_ in found}), "one row a part and pupil"


def test_plans_of_every_age_are_read_and_the_newest_freeze_counts() -> None:
    """A plan says subject, grades and make-ups, or is older and leaves them open."""
    days = {"from_date": "2026-09-01", "to_date": "2026-09-10"}
    new = {
        "subject": "Mathematics",
        "grades": ["05", 6, "K"],
        "class_subjects": ["Math "],
        "joiners": "counted_until_baseline_closes",
        "assignment": {"assigned_on": "2026-08-03"},
        "baseline": days | {"make_up_days": 5},
        "outcome": {"subject": "Maths", "from_date": "2026-12-01", "to_date": "2026-12-10"},
    }
    old = {"assignment": {}, "baseline": days, "outcome": {"from_date": "2026-12-01", "to_date": "2026-12-10"}}
    rows = [("new", "h1", 2, new), ("old", "h3", 2, old), ("old", "h2", 1, {})]
    wanted = (
        "assigned_date, grades, class_subjects, joiner_rule, leaver_rule, baseline_subject, outcome_subject,"
        " baseline_until_date, outcome_until_date, dosage_minutes_planned"
    )
    with duckdb.connect() as connection:
        connection.execute(PLAN_TABLES)
        for pilot, plan_hash, day, analysis in rows:
            text = json.dumps({"analysis": analysis, "implementation": {"dosage_minutes_planned": 60}})
            frozen_at = datetime(2026, 8, day, tzinfo=UTC)
            connection.execute(
                "insert into gold_pilot_plan values (?, ?, 'A', ?, ?)", [pilot, plan_hash, frozen_at, text]
            )
        plan = query("stg_pilot_plan")
        found = connection.execute(f"select plan_hash, {wanted} from ({plan}) order by 1").fetchall()
    winter, fall = date(2026, 12, 10), date(2026, 9, 10)
    assert found == [
        (
            *("h1", date(2026, 8, 3), ["5", "6", "K"], ["math"], "counted_until_baseline_closes", "lost"),
            *("Mathematics", "Maths", fall + timedelta(days=5), winter, 60.0),
        ),
        ("h3", date(2026, 9, 1), None, None, "apart", "lost", None, None, fall, winter, 60.0),
    ]
