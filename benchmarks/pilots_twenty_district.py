"""A made district with twenty active pilots, in the lake's own tables: what ``benchmarks.pilots_twenty`` is run on.

100 schools of 600 pupils in grades 3 to 8, each pupil in a mathematics and a reading class. Twenty plans are frozen:
one for each combination of subject (2), grades (3 to 5, 6 to 8) and fifth of the schools, so that every pupil of the
district is in two pilots and every school in four. A plan has twenty schools, ten an arm: drawn in two blocks in
sixteen of them, volunteers in four. Minutes come as a file in fifteen, from the event stream in five.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

import lake
from benchmarks.intake_rows import write_batch
from cairn.settings import Settings
from pilots import registry
from pilots.known import Known
from pilots.plan import Plan
from pilots.plan_rules import rule_problems
from simulator import naming

SCHOOLS, GRADES, PUPILS_A_GRADE = 100, (3, 4, 5, 6, 7, 8), 100
PUPILS = SCHOOLS * len(GRADES) * PUPILS_A_GRADE
SUBJECTS = ("math", "reading")
BANDS = (GRADES[:3], GRADES[3:])
FIFTHS = 5
CLASS_SIZE = 25
TERM, STARTS, ENDS = date(2026, 8, 17), date(2026, 8, 31), date(2026, 10, 23)
BASELINE, OUTCOME = date(2026, 8, 26), date(2026, 10, 28)
DATA_DATE = date(2026, 11, 10)
RECORDED = datetime(2026, 8, 1, tzinfo=UTC)
FROZEN_AT = datetime(2026, 8, 10, 15, tzinfo=UTC)
PLANNED_MINUTES, WEEKS, SESSIONS = 480.0, 8, 24
APP, INTAKE = "studio", "bench"
# Of one seed; an effect of so many SD in every other pilot.
SEED, EFFECT_SD = 20, 0.15
DIGITS_AS_LETTERS = str.maketrans("0123456789", "abcdefghij")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Pilot:
    """One of the twenty: its plan, and the places (0 to 99) of its treated schools."""

    plan: Plan
    subject: int
    grades: tuple[int, ...]
    treated: tuple[int, ...]
    is_stream: bool
    effect_sd: float


def write(settings: Settings) -> list[Pilot]:
    """Write roster, results, facts and events, and freeze the plans; returns the pilots."""
    rng = np.random.default_rng(SEED)
    school, grade = places()
    pilots = _pilots(rng)
    known = Known(schools=frozenset(_school(number) for number in range(SCHOOLS)))
    for pilot in pilots:
        problems = [one.message for one in rule_problems(dict(pilot.plan.raw), known) if not one.is_warning]
        if problems:
            raise SystemExit(f"{pilot.plan.pilot_id} is no plan that 'cairn pilots check' takes: {problems}")
    _roster(settings, school, grade)
    _results(settings, pilots, school, grade, rng)
    _facts(settings, pilots, school, grade, rng)
    _events(settings, pilots, school, grade, rng)
    for pilot in pilots:
        registry.freeze(settings, pilot.plan, FROZEN_AT)
    return pilots


def places() -> tuple[np.ndarray, np.ndarray]:
    """School and grade of each pupil."""
    school = np.repeat(np.arange(SCHOOLS), len(GRADES) * PUPILS_A_GRADE)
    return school, np.tile(np.repeat(np.array(GRADES), PUPILS_A_GRADE), SCHOOLS)


def _school(number: int) -> str:
    return f"sch-{number:03d}"


def _pilots(rng: np.random.Generator) -> list[Pilot]:
    found = []
    for subject in range(len(SUBJECTS)):
        for grades in BANDS:
            fifths = rng.permutation(SCHOOLS).reshape(FIFTHS, -1)
            for number, schools in enumerate(fifths):
                blocks = np.sort(schools.reshape(2, -1), axis=1)
                treated = sorted(one for block in blocks for one in rng.permutation(block)[: len(block) // 2].tolist())
                is_stream = subject == 0 and grades == BANDS[0]
                plan = _plan(number, SUBJECTS[subject], grades, blocks, treated, is_stream=is_stream)
                effect = EFFECT_SD if number % 2 == 0 else 0.0
                found.append(Pilot(plan, subject, grades, tuple(treated), is_stream, effect))
    return found


def _plan(
    number: int, subject: str, grades: tuple[int, ...], blocks: np.ndarray, treated: Sequence[int], *, is_stream: bool
) -> Plan:
    is_random = number < FIFTHS - 1
    schools = sorted(blocks.ravel().tolist())
    test = {"assessment": "District Interim", "measure": "overall"}
    method: dict[str, Any] = {"method": "volunteers", "assigned_on": "2026-08-03"}
    if is_random:
        method = {"method": "random", "seed": SEED, "assigned_on": "2026-08-03"}
        method["blocks"] = [[_school(one) for one in block] for block in blocks.tolist()]
    dosage = {
        "sources": [APP],
        "activity_types": ["attempt"],
        "counts": "minutes",
        "minutes_per_event_max": 60,
    }
    implementation: dict[str, Any] = {
        "starts_on": STARTS.isoformat(),
        "ends_on": ENDS.isoformat(),
        "dosage_minutes_planned": PLANNED_MINUTES,
        "milestones": [{"name": "teachers trained", "due_date": "2026-08-31"}],
    }
    raw = {
        "pilot_id": f"{subject}-{grades[0]}-{grades[-1]}-{number + 1}",
        "title": f"{subject} in grades {grades[0]} to {grades[-1]}, fifth {number + 1} of the schools",
        "owner": "Central office",
        "hypothesis": {
            "change": "give pupils a daily studio period with practice chosen by what they have mastered",
            "who": f"pupils of ten schools in grades {grades[0]} to {grades[-1]}",
            "measure": f"the District Interim overall score in {subject}",
            "direction": "rise",
            "amount": "by 0.10 standard deviations or more",
            "by": "2026-10-30",
            "because": "practice at the edge of what a pupil knows is what moves it",
        },
        "analysis": {
            "wwc_version": "5.0",
            "subject": subject,
            "grades": [str(grade) for grade in grades],
            "score_type": "scale",
            "assignment": method,
            "arms": {
                "treatment": [_school(one) for one in treated],
                "comparison": [_school(one) for one in schools if one not in treated],
            },
            "baseline": test | {"window": "fall", "from_date": "2026-08-24", "to_date": "2026-08-28"},
            "outcome": test
            | {"window": "winter", "from_date": "2026-10-26", "to_date": "2026-10-30"}
            | {"is_made_by_the_tool": False},
            "smallest_effect_that_matters_sd": 0.1,
            "prior": {"effect_sd": 0.2, "icc": 0.2, "r2": 0.7},
            "minimum_outcome_coverage_share": 0.8,
            "attrition_boundary": "cautious",
            "guardrails": [{"name": "days absent", "source": "attendance", "margin": 1.0}],
        },
        "implementation": implementation | ({"dosage": dosage} if is_stream else {}),
    }
    return Plan(json.loads(json.dumps(raw)))


def ids(prefix: str, numbers: np.ndarray) -> pa.Array:
    """Identifiers of numbered things."""
    return pa.array([f"{prefix}{one:06d}" for one in numbers.tolist()])


def subjects(numbers: np.ndarray) -> pa.Array:
    """Keys of pupils in the form of a gateway's: thirty-two of the letters of base 32."""
    return pa.array(["s1_" + f"{one:032d}".translate(DIGITS_AS_LETTERS) for one in numbers.tolist()])


def append(settings: Settings, name: str, columns: dict[str, Any]) -> None:
    """Append to a two-time table; a value that is no array stands in every row."""
    size = len(next(one for one in columns.values() if isinstance(one, pa.Array | np.ndarray)))
    filled = columns | {"recorded_from": RECORDED}
    arrays = {
        key: one if isinstance(one, pa.Array | np.ndarray) else pa.array([one] * size) for key, one in filled.items()
    }
    lake.append(settings, name, pa.table(arrays))


def _roster(settings: Settings, school: np.ndarray, grade: np.ndarray) -> None:
    pupil = np.arange(PUPILS)
    schools = pa.array([_school(one) for one in range(SCHOOLS)])
    names = pa.array([naming.school_name(one) for one in range(SCHOOLS)])
    append(settings, "silver.org", {"org_id": schools, "name": names, "org_type": "school", "status": "active"})
    courses = pa.array(list(SUBJECTS))
    append(settings, "silver.course", {"course_id": courses, "title": courses, "subject": courses, "status": "active"})
    room = pupil // CLASS_SIZE
    of_school = pa.array([_school(one) for one in school[::CLASS_SIZE].tolist()])
    of_grade = grade[::CLASS_SIZE].tolist()
    for subject in SUBJECTS:
        classes = ids(f"cls-{subject}-", np.arange(PUPILS // CLASS_SIZE))
        titles = pa.array([f"{subject.title()} {one}, room {place % 24 + 1}" for place, one in enumerate(of_grade)])
        columns = {"class_id": classes, "title": titles, "course_id": subject, "school_id": of_school}
        append(settings, "silver.class_section", columns | {"subject": subject, "status": "active"})
    home = pa.array([_school(one) for one in school.tolist()])
    grades = pa.array([f"{one:02d}" for one in grade.tolist()])
    people = {"student_key": ids("p", pupil), "role": "student", "school_id": home, "grade": grades}
    append(settings, "silver.person", people | {"is_enabled": True, "status": "active"})
    for subject in SUBJECTS:
        periods = {"enrollment_id": ids(f"e-{subject}-", pupil), "student_key": ids("p", pupil)}
        periods |= {"class_id": ids(f"cls-{subject}-", room), "school_id": home, "role": "student"}
        append(settings, "silver.enrollment", periods | {"valid_from_date": TERM, "status": "active"})
    links = {"subject_key": subjects(pupil), "student_key": ids("p", pupil), "valid_from": RECORDED}
    append(settings, "silver.identity_link", links | {"reason": "roster"})


def _of(pilot: Pilot, school: np.ndarray, grade: np.ndarray) -> np.ndarray:
    """Places of the pilot's treated pupils."""
    return np.flatnonzero(np.isin(school, pilot.treated) & np.isin(grade, pilot.grades))


def _results(
    settings: Settings, pilots: Sequence[Pilot], school: np.ndarray, grade: np.ndarray, rng: np.random.Generator
) -> None:
    """Fall and winter scores of both subjects, SD 10 within a grade; one pupil in twenty-five misses a test."""
    for number, subject in enumerate(SUBJECTS):
        ability = rng.normal(0, 0.45, SCHOOLS)[school] + rng.normal(0, 0.85, PUPILS)
        effect = np.zeros(PUPILS)
        for pilot in pilots:
            if pilot.subject == number:
                effect[_of(pilot, school, grade)] = pilot.effect_sd
        for window, day in (("fall", BASELINE), ("winter", OUTCOME)):
            drift = rng.normal(0, 0.2, SCHOOLS)[school] + effect if window == "winter" else 0.0
            score = np.round(200 + 6 * grade + 10 * (ability + drift + rng.normal(0, 0.4, PUPILS)), 1)
            there = np.flatnonzero(rng.random(PUPILS) >= 0.04)
            rows = {
                "result_id": ids(f"r-{subject}-{window}-", there),
                "student_key": ids("p", there),
                "scale_score": score[there],
                "taken_date": day,
                "layout": "cairn_interim",
                "assessment": "District Interim",
            }
            rows |= {"subject": subject, "window_name": window, "measure": "overall", "is_rapid_guess": False}
            append(settings, "silver.assessment_result", rows)


def _facts(
    settings: Settings, pilots: Sequence[Pilot], school: np.ndarray, grade: np.ndarray, rng: np.random.Generator
) -> None:
    """Absences of all, and of each pilot minutes by week (where a file tells them), costs and milestones."""
    absent = rng.integers(0, PUPILS, 4 * PUPILS)
    days = pa.array([TERM + timedelta(days=int(one)) for one in rng.integers(0, 70, len(absent))])
    rows = {"fact_id": ids("absent-", np.arange(len(absent))), "fact_type": "attendance", "name": "absent"}
    rows |= {"student_key": ids("p", absent), "fact_date": days, "value": 1.0, "unit": "days"}
    append(settings, "silver.fact", rows)
    for pilot in pilots:
        name, pupils = pilot.plan.pilot_id, _of(pilot, school, grade)
        if not pilot.is_stream:
            each = PLANNED_MINUTES / WEEKS
            for week in range(WEEKS):
                minutes = np.maximum(0.0, np.round(rng.normal(each * 1.05, each * 0.3, len(pupils))))
                dosage = {"fact_id": ids(f"{name}-{week}-", pupils), "fact_type": "dosage", "pilot_id": name}
                dosage |= {"student_key": ids("p", pupils), "fact_date": STARTS + timedelta(days=7 * week + 4)}
                append(settings, "silver.fact", dosage | {"name": "minutes", "value": minutes, "unit": "minutes"})
        schools = pa.array([_school(one) for one in pilot.treated])
        place = {"school_id": schools, "pilot_id": name, "fact_date": STARTS}
        for kind in ("licences", "training"):
            costs = place | {"fact_id": ids(f"{name}-{kind}-", np.array(pilot.treated)), "fact_type": "cost"}
            append(settings, "silver.fact", costs | {"name": kind, "value": 2_400.0, "unit": "usd"})
        done = place | {"fact_id": ids(f"{name}-trained-", np.array(pilot.treated)), "fact_type": "milestone"}
        append(settings, "silver.fact", done | {"name": "teachers trained", "text_value": "done_on_time"})


def _events(
    settings: Settings, pilots: Sequence[Pilot], school: np.ndarray, grade: np.ndarray, rng: np.random.Generator
) -> None:
    """Sessions of near twenty minutes, three a week, of the pilots whose minutes the event stream tells."""
    days = [STARTS + timedelta(days=7 * week + day) for week in range(WEEKS) for day in (0, 2, 4)]
    sizes = [0] * len(days)
    for pilot in (one for one in pilots if one.is_stream):
        pupils = _of(pilot, school, grade)
        files = []
        for number, day in enumerate(days):
            at = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)
            size = len(pupils)
            event = ids(f"{pilot.plan.pilot_id}-{number}-", pupils)
            same = {
                "content_hash": "h",
                "schema_version": "1.0.0",
                "source_id": APP,
                "received_at": at,
                "received_date": day,
                "event_time": at,
                "work_date": day,
                "activity_type": "attempt",
                "item_id": "i1",
                "success": True,
                "ingest_date": day,
                "kafka_partition": 0,
                "intake_app_id": INTAKE,
                "batch_id": number,
            }
            rows = {key: pa.array([one] * size) for key, one in same.items()} | {
                "event_id": event,
                "source_statement_id": event,
                "subject_key": subjects(pupils),
                "duration_ms": np.maximum(0, rng.normal(21, 5, size) * 60_000).astype(np.int64),
                "kafka_offset": np.arange(size),
            }
            files.append(lake.write_file(settings, "silver.learner_activity", pa.table(rows), {"ingest_date": day}))
            sizes[number] += size
        lake.commit_files(settings, "silver.learner_activity", files)
    for number, (day, size) in enumerate(zip(days, sizes, strict=True)):
        write_batch(settings, INTAKE, number, day, {("unknown", APP): size})
