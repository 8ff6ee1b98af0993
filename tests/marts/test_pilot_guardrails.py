"""Guardrails in the marts: scores, absences and answers by school, worked out again by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

import lake
from cairn.settings import Settings
from pilots import registry
from pilots.guardrails import FAILED, NOT_MEASURED, SAFE, findings
from pilots.plan import Plan, load_plan
from tests.marts.pilot_sql import built
from tests.pilots.test_plans import EXAMPLE

SINCE = datetime(2026, 8, 1, tzinfo=UTC)
STARTS, ENDS, DATA_DATE = date(2026, 8, 31), date(2026, 10, 23), date(2026, 9, 29)
PUPILS = 6
READING = {
    "name": "reading",
    "assessment": "Interim Reading",
    "window": "winter",
    "measure": "overall",
    "margin_sd": 0.2,
}
GUARDRAILS = [
    READING | {"subject": "ELA"},
    READING | {"name": "either", "assessment": "Two Subjects"},
    {"name": "attendance", "source": "attendance", "margin": 0.5},
    {"name": "belonging", "source": "survey", "question": "belonging", "margin": 0.3},
]


@pytest.fixture(scope="module")
def plan() -> Plan:
    """The example plan with four guardrails, of all grades."""
    raw = json.loads(load_plan(EXAMPLE).canonical)
    raw["analysis"]["guardrails"] = GUARDRAILS
    raw["analysis"].pop("grades", None)
    raw["analysis"].pop("class_subjects", None)
    raw["implementation"] |= {"starts_on": STARTS.isoformat(), "ends_on": ENDS.isoformat()}
    return Plan(raw)


Scores = dict[str, tuple[str, str, float]]


@pytest.fixture(scope="module")
def district(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Scores]]:
    """Six pupils of two grades in each school of the plan; treated schools miss two days more and read as well."""
    settings = Settings(home=tmp_path_factory.mktemp("guardrails"))
    same = {"status": "active", "recorded_from": SINCE}
    rng, scores = np.random.default_rng(5), Scores()
    schools = list(plan.arms)
    pupils = [(f"{school}-{n}", school, "04" if n % 2 else "05") for school in schools for n in range(PUPILS)]
    lake.append(settings, "silver.org", [{"org_id": s, "name": s, "org_type": "school", **same} for s in schools])
    lake.append(
        settings,
        "silver.class_section",
        [{"class_id": f"c-{s}", "title": "Class", "school_id": s, **same} for s in schools],
    )
    lake.append(
        settings,
        "silver.person",
        [
            {"student_key": p, "role": "student", "school_id": s, "grade": g, "is_enabled": True, **same}
            for p, s, g in pupils
        ],
    )
    lake.append(
        settings,
        "silver.enrollment",
        [
            {"enrollment_id": p, "student_key": p, "class_id": f"c-{s}", "school_id": s, "role": "student", **same}
            | {"valid_from_date": date(2026, 7, 1)}
            for p, s, _ in pupils
        ],
    )
    results, facts = [], []
    for pupil, school, grade in pupils:
        score = 400 + 100 * (grade == "05") + float(rng.normal(0, 20))
        scores[pupil] = (school, grade, score)
        for test, subject, value, day in (
            ("interim reading", "ela", score, STARTS + timedelta(days=20)),
            ("Interim Reading", "ELA", 1.0, STARTS - timedelta(days=20)),
            ("Interim Reading", "Math", 2.0, STARTS + timedelta(days=21)),
            ("Two Subjects", "ELA", 3.0, STARTS + timedelta(days=20)),
            ("Two Subjects", "Math", 4.0, STARTS + timedelta(days=20)),
        ):
            key = f"{pupil}-{test}-{subject}-{day}"
            one = {"result_id": key, "student_key": pupil, "layout": "x", "assessment": test, "subject": subject}
            when = {"taken_date": day, "window_name": "winter", "recorded_from": SINCE}
            results.append(one | when | {"measure": "overall", "scale_score": value})
        is_treated = plan.arms[school] == "treatment"
        absent = [STARTS - timedelta(days=9), *(STARTS + timedelta(days=n) for n in range(3 if is_treated else 1))]
        # After the pilot's last day and of another kind: neither counts.
        absent += [ENDS + timedelta(days=3)]
        for kind, name, value, days in (
            ("attendance", "absent", 1.0, absent),
            ("attendance", "tardy", 1.0, absent[:2]),
            ("survey", "belonging", 3.0 + (schools.index(school) % 3) / 10, [STARTS + timedelta(days=5)]),
        ):
            for day in days:
                fact = {"fact_id": f"{pupil}-{name}-{day}", "fact_type": kind, "student_key": pupil, "fact_date": day}
                facts.append(fact | {"name": name, "value": value, "recorded_from": SINCE})
    lake.append(settings, "silver.assessment_result", results)
    lake.append(settings, "silver.fact", facts)
    registry.freeze(settings, plan, datetime(2026, 8, 10, tzinfo=UTC))
    yield settings, scores


@pytest.fixture(scope="module")
def rows(district: tuple[Settings, Scores]) -> Iterator[pd.DataFrame]:
    """The mart on a day in the pilot."""
    with built(district[0], DATA_DATE) as connection:
        yield _mart(connection)


def _mart(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return connection.execute("select * from mart_pilot_guardrail order by all").df()


def test_scores_are_standardised_within_grade_by_the_comparison_arm(
    rows: pd.DataFrame, plan: Plan, district: tuple[Settings, Scores]
) -> None:
    scores = district[1]
    found = rows[rows["guardrail"] == "reading"].set_index("school_id")["value"]
    assert set(found.index) == set(plan.arms)
    standard: dict[str, list[float]] = {}
    for grade in ("04", "05"):
        arm = [x for school, g, x in scores.values() if g == grade and plan.arms[school] == "comparison"]
        for school, g, x in scores.values():
            if g == grade:
                standard.setdefault(school, []).append((x - np.mean(arm)) / np.std(arm, ddof=1))
    for school, values in standard.items():
        assert found[school] == pytest.approx(np.mean(values), abs=1e-9)


def test_absences_are_days_a_pupil_in_thirty(rows: pd.DataFrame, plan: Plan) -> None:
    found = rows[rows["guardrail"] == "attendance"]
    days = (DATA_DATE - STARTS).days + 1
    assert days == 30
    for school, value, before, people in zip(
        found["school_id"], found["value"], found["value_before"], found["people"], strict=True
    ):
        assert value == pytest.approx(3.0 if plan.arms[school] == "treatment" else 1.0)
        assert (before, people) == (pytest.approx(0.5), PUPILS)


def test_what_the_guardrails_say(rows: pd.DataFrame, plan: Plan) -> None:
    """Two days more in 30 fail; answers alike are safe; a test of two subjects without a word which is not measured."""
    found = {one.guardrail.name: one for one in findings(plan, rows)}
    assert list(found) == ["reading", "either", "attendance", "belonging"]
    assert found["either"].status == NOT_MEASURED
    assert found["belonging"].status == SAFE
    attendance = found["attendance"]
    assert attendance.difference == pytest.approx(2.0)
    # Schools do not differ within the arms here, so there is a difference and no chance; with a spread there is one.
    spread = rows.assign(value=rows["value"] + 0.05 * (rows.index % 3))
    again = {one.guardrail.name: one for one in findings(plan, spread)}
    assert again["attendance"].status == FAILED


def test_before_the_start_nothing_is_measured(plan: Plan, district: tuple[Settings, Scores]) -> None:
    with built(district[0], STARTS - timedelta(days=1)) as connection:
        nothing = _mart(connection)
    assert nothing.empty
    assert {one.status for one in findings(plan, nothing)} == {NOT_MEASURED}
