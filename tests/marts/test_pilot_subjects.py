"""Two subjects under one test name, as vendors deliver them: each pilot has its own, in its grades and days.

i-Ready's two files carry one test name, and so do MAP's subjects in their one file. Files are written with the real
files' headers and loaded by the loaders that a district uses; the rows are those of dbt's own models.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import loading
from cairn.settings import Settings
from pilots import registry
from pilots.evaluate import evaluate
from pilots.plan import Plan
from tests.marts.loaded_roster import load_people
from tests.marts.pilot_sql import built
from tests.needs import shared_input

DATA_DATE = date(2026, 12, 18)
LOADED = datetime(2026, 8, 18, tzinfo=UTC)
SCHOOLS = [f"sch-{number}" for number in range(1, 5)]
TESTED, UNTESTED = ("03", "04", "05"), ("KG", "01", "02")
A_GRADE = 3
# (test, subject): layout, file of the fixtures, points by which the subject's scores differ from the others'
I_READY, MAP = "i-Ready Diagnostic", "NWEA MAP Growth"
MEASURED = {
    (I_READY, "Mathematics"): ("iready_math", "i-Ready/sample_anonymized_file_math.csv", 450.0),
    (I_READY, "Reading"): ("iready_ela", "i-Ready/sample_anonymized_file_ela.csv", 560.0),
    (MAP, "Mathematics"): ("nwea_map_growth", "MAP_Growth/sample_anonymized_file.csv", 200.0),
    (MAP, "Language Arts"): ("nwea_map_growth", "MAP_Growth/sample_anonymized_file.csv", 210.0),
}
# Points by which MAP says that a score may be off; i-Ready's file tells none.
MAP_ERROR = 3.2
WINDOWS = {"fall": ("2026-09-08", "2026-09-18"), "winter": ("2026-12-01", "2026-12-11")}
Scores = dict[tuple[str, str, str], dict[str, float]]


def pupils(grades: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Pupil to school and grade."""
    return {
        f"pupil-{school}-{grade}-{number}": (school, grade)
        for school in SCHOOLS
        for grade in grades
        for number in range(A_GRADE)
    }


def load_roster(
    settings: Settings, folder: Path, grades: tuple[str, ...], when: datetime, is_promoted: bool = False
) -> None:
    """The grades' pupils, one grade up once promoted."""
    up = {"KG": "01"} | {f"{grade:02d}": f"{grade + 1:02d}" for grade in range(1, 6)}
    people = {pupil: (school, up[grade] if is_promoted else grade) for pupil, (school, grade) in pupils(grades).items()}
    load_people(settings, folder, people, when)


def load_results(settings: Settings, folder: Path, grades: tuple[str, ...], when: datetime, seed: int) -> Scores:
    """A file a test with every pupil in both windows, inside and on the days before and after; the scores inside."""
    draw, scores = np.random.default_rng(seed), Scores()
    rows: dict[str, list[dict[str, str]]] = {}
    for (test, subject), (layout, _, centre) in MEASURED.items():
        for window, (first, last) in WINDOWS.items():
            for pupil in pupils(grades):
                score = round(centre + draw.normal(0, 20) + 9 * (window == "winter"), 1)
                scores.setdefault((test, subject, window), {})[pupil] = score
                opens, closes = date.fromisoformat(first), date.fromisoformat(last)
                taken = {closes: score, opens - timedelta(days=1): 1.0, closes + timedelta(days=1): 2.0}
                for day, value in taken.items():
                    write = _iready if test == I_READY else _map
                    rows.setdefault(layout, []).append(write(pupil, subject, window, day, value))
    headers = {layout: file for layout, file, _ in MEASURED.values()}
    for layout, lines in rows.items():
        path = folder / f"{layout}.csv"
        with shared_input(f"fixtures/assessments/{headers[layout]}").open(encoding="utf-8-sig", newline="") as real:
            header = next(csv.reader(real))
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(lines)
        result = loading.load_assessments(settings, path, layout, recorded_at=when)
        assert (result["rejected"], result["unknown_columns"]) == (0, [])
        assert result["added"] == len(lines)
    return scores


def _iready(pupil: str, _: str, window: str, day: date, score: float) -> dict[str, str]:
    words = {"fall": "Fall (Beginning of Year - November 15)", "winter": "Winter (November 16 - March 1)"}
    shown = f"{day.month}/{day.day}/{day.year}"
    return {
        "Student ID": pupil,
        "Academic Year": "2026-2027",
        "Completion Date": shown,
        "Norming Window": words[window],
        "Overall Scale Score": str(score),
    }


def _map(pupil: str, subject: str, window: str, day: date, score: float) -> dict[str, str]:
    return {
        "StudentID": pupil,
        "TermName": f"{window.title()} 2026-2027",
        "Subject": subject,
        "TestName": f"Growth: {subject} 2-5",
        "TestStartDate": f"{day:%m/%d/%Y}",
        "TestRITScore": str(score),
        "TestStandardError": str(MAP_ERROR),
        "RapidGuessingPercentage": "0.0000",
    }


def plan(pilot_id: str, test: str, **analysis: Any) -> Plan:
    """Two schools against two."""

    def measure(window: str) -> dict[str, Any]:
        first, last = WINDOWS[window]
        return {"assessment": test, "window": window, "measure": "overall", "from_date": first, "to_date": last}

    said = {
        "wwc_version": "5.0",
        "assignment": {"method": "random", "seed": 1, "assigned_on": "2026-08-20"},
        "arms": {"treatment": SCHOOLS[:2], "comparison": SCHOOLS[2:]},
        "baseline": measure("fall"),
        "outcome": measure("winter"),
        "smallest_effect_that_matters_sd": 0.1,
        "prior": {"effect_sd": 0.2, "icc": 0.2, "r2": 0.7},
        "minimum_outcome_coverage_share": 0.8,
        "attrition_boundary": "cautious",
    }
    words = dict.fromkeys(("change", "who", "measure", "amount", "because"), "words")
    raw = {
        "pilot_id": pilot_id,
        "title": pilot_id,
        "owner": "Central office",
        "hypothesis": words | {"direction": "rise", "by": "2026-12-11"},
        "analysis": said | analysis,
        "implementation": {"starts_on": "2026-09-21", "ends_on": "2026-11-27", "dosage_minutes_planned": 60}
        | {"milestones": []},
    }
    return Plan(json.loads(json.dumps(raw)))


PLANS = {
    f"pilot-{place}": plan(f"pilot-{place}", test, subject=subject.upper(), grades=[3, "04", "5"])
    for place, (test, subject) in enumerate(MEASURED)
}
UNTOLD = plan("untold", I_READY)


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Scores, Path]]:
    """Grades 3 to 5 of four schools with both tests in both subjects, and a pilot of each."""
    folder = tmp_path_factory.mktemp("subjects")
    settings = Settings(home=folder / "home")
    load_roster(settings, folder / "roster", TESTED, LOADED)
    scores = load_results(settings, folder, TESTED, LOADED, seed=1)
    for one in (*PLANS.values(), UNTOLD):
        registry.freeze(settings, one)
    yield settings, scores, folder


def rows(connection: duckdb.DuckDBPyConnection, mart: str) -> list[tuple[Any, ...]]:
    """A mart's rows; means to 1e-9, as the order of rows may change a sum's last digit."""
    found = connection.execute(f"select * from {mart} where pilot_id <> 'untold' order by all").fetchall()
    return [tuple(round(cell, 9) if isinstance(cell, float) else cell for cell in row) for row in found]


def test_school_means_are_of_the_right_subject_and_younger_pupils_change_nothing(
    district: tuple[Settings, Scores, Path],
) -> None:
    settings, scores, folder = district
    with built(settings, DATA_DATE) as before:
        means = before.execute("select pilot_id, school_id, mean_baseline, mean_outcome from mart_pilot_school")
        found = {(pilot, school): tuple(pair) for pilot, school, *pair in means.fetchall()}
        for (test, subject), (pilot_id, planned) in zip(MEASURED, PLANS.items(), strict=True):
            assert planned.analysis["baseline"]["assessment"] == test
            for school in SCHOOLS:
                expected = [
                    np.mean([score for pupil, score in scores[test, subject, window].items() if f"-{school}-" in pupil])
                    for window in WINDOWS
                ]
                assert found[pilot_id, school] == pytest.approx(expected, rel=0, abs=1e-9)
        first = {mart: rows(before, mart) for mart in ("mart_pilot_pupil", "mart_pilot_school", "mart_rollout_school")}
        cards = {pilot_id: card(before, pilot_id) for pilot_id in PLANS}
        assert {len(first["mart_pilot_pupil"])} == {len(PLANS) * len(pupils(TESTED))}
        errors = "select distinct pilot_id, baseline_standard_error from mart_pilot_pupil where pilot_id <> 'untold'"
        told = dict(before.execute(errors).fetchall())
        assert told == {one: MAP_ERROR if test == MAP else None for one, (test, _) in zip(PLANS, MEASURED, strict=True)}
        # A plan that names no subject, of a test with two: no score rather than a mixture.
        untold = "select count(*), count(baseline_score), count(outcome_score) from mart_pilot_pupil"
        assert before.execute(f"{untold} where pilot_id = 'untold'").fetchall() == [(len(pupils(TESTED)), 0, 0)]
        subjects = "select distinct subjects_tested from mart_pilot_school where pilot_id = 'untold'"
        assert before.execute(subjects).fetchall() == [(2,)]
    later = datetime(2026, 8, 19, tzinfo=UTC)
    (folder / "more").mkdir()
    load_roster(settings, folder / "roster-2", (*UNTESTED, *TESTED), later)
    load_results(settings, folder / "more", UNTESTED[1:], later, seed=2)
    # A roster that promotes everybody in October makes second graders third graders, and the pilot's pupils sixth.
    load_roster(
        settings, folder / "roster-3", (*UNTESTED, *TESTED), datetime(2026, 10, 20, tzinfo=UTC), is_promoted=True
    )
    with built(settings, DATA_DATE) as after:
        for mart, were in first.items():
            assert rows(after, mart) == were, mart
        assert {pilot_id: card(after, pilot_id) for pilot_id in PLANS} == cards


def card(connection: duckdb.DuckDBPyConnection, pilot_id: str) -> dict[str, Any]:
    """The pilot's scorecard on the marts."""
    marts = (
        connection.execute(f"select * from {name} where pilot_id = ? order by all", [pilot_id]).df()
        for name in ("mart_pilot_pupil", "mart_pilot_school", "mart_rollout_school")
    )
    return evaluate(PLANS[pilot_id], *marts, "learning-1", DATA_DATE, evaluated_at=LOADED)
