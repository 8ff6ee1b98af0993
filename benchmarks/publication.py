"""Weekly publications of a district of 100 schools by grades and six groupings: ``python -m benchmarks.publication``.

60,000 pupils in schools of 30 to 900, one row each in the marts that published tables are made of: 60 schools of grades
K to 5, 25 of 6 to 8, 15 of 9 to 12; sex, race or ethnicity and three marks of the roster, each school with its own
shares of them, of some nothing reported. From one week to the next three in a thousand pupils leave and as many come,
and four in a hundred know more. Each week is published as ``cairn publications make`` does it, audited against all
weeks before.

    python -m benchmarks.publication [--weeks 3] [--schools 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from cairn.settings import Settings
from releases import publications, store

MONDAY = date(2026, 9, 7)
PUPILS_A_SCHOOL, LEAST, MOST = 600, 30, 900
SHAPES = ((0.60, ("K", "1", "2", "3", "4", "5")), (0.85, ("6", "7", "8")), (1.0, ("9", "10", "11", "12")))
RACES = {
    "white": 0.36,
    "hispanic_or_latino": 0.26,
    "black_or_african_american": 0.19,
    "asian": 0.09,
    "two_or_more_races": 0.06,
    "american_indian_or_alaska_native": 0.02,
    "native_hawaiian_or_other_pacific_islander": 0.01,
    "not reported": 0.01,
}
FLAGS = {"english_learner": 0.14, "special_education": 0.13, "economically_disadvantaged": 0.45}
MOVE, LEARN = 0.003, 0.04
COMPETENCIES = 40
GOAL_SECONDS = 120.0


@dataclass
class District:
    """Pupils as arrays, one place each: school, grade, groups by grouping, and how far each is (0 to 1)."""

    school: np.ndarray
    grade: np.ndarray
    groups: dict[str, np.ndarray]
    level: np.ndarray
    key: np.ndarray

    def week(self, rng: np.random.Generator) -> None:
        """Some leave, as many come in their place, and some know more."""
        count = len(self.key)
        come = rng.random(count) < MOVE
        self.key[come] = self.key.max() + 1 + np.arange(come.sum())
        for values in (self.grade, *self.groups.values()):
            # Whoever comes is like somebody else of the school.
            for place in np.flatnonzero(come):
                alike = np.flatnonzero(self.school == self.school[place])
                values[place] = values[rng.choice(alike)]
        self.level = np.minimum(1.0, self.level + 0.3 * (rng.random(count) < LEARN))


def sizes(schools: int, rng: np.random.Generator) -> np.ndarray:
    """Pupils of each school, LEAST to MOST of them, PUPILS_A_SCHOOL on average."""
    found = rng.integers(LEAST, MOST + 1, schools)
    while short := PUPILS_A_SCHOOL * schools - int(found.sum()):
        step = rng.integers(0, schools, abs(short))
        found = np.clip(found + np.sign(short) * np.bincount(step, minlength=schools), LEAST, MOST)
    rng.shuffle(found)
    return found


def district(schools: int, rng: np.random.Generator) -> District:
    """The district in its first week."""
    school = np.repeat(np.arange(schools), sizes(schools, rng))
    count = len(school)
    grade = np.empty(count, dtype=object)
    groups = {name: np.empty(count, dtype=object) for name in ("sex", "race_ethnicity", *FLAGS)}
    for one in range(schools):
        own = np.flatnonzero(school == one)
        grades = next(grades for share, grades in SHAPES if one < share * schools)
        grade[own] = rng.choice(grades, len(own))
        groups["sex"][own] = rng.choice(["female", "male", "not reported"], len(own), p=[0.489, 0.501, 0.01])
        races = rng.dirichlet(np.array(list(RACES.values())) * 12)
        groups["race_ethnicity"][own] = rng.choice(list(RACES), len(own), p=races)
        for name, share in FLAGS.items():
            of_school = rng.beta(8 * share, 8 * (1 - share)) * 0.98
            groups[name][own] = rng.choice(
                ["yes", "no", "not reported"], len(own), p=[of_school, 0.98 - of_school, 0.02]
            )
    level = np.clip(rng.normal(0.45, 0.25, count) + rng.normal(0, 0.1, schools)[school], 0, 1)
    return District(school, grade, groups, level, np.arange(count))


def release(settings: Settings, day: date, pupils: District) -> None:
    """The marts of a learning release, which stands then."""
    folder = store.new_folder(settings, "learning", day)
    path = folder / "warehouse.duckdb"
    key = np.char.add("p", pupils.key.astype(str))
    school = np.char.add("s", np.char.zfill(pupils.school.astype(str), 3))
    told = pa.table(
        {"student_key": key, "school_id": school, "grade": pa.array(pupils.grade, pa.string()), "level": pupils.level}
    )
    kinds = pa.table(
        {
            "student_key": np.tile(key, len(pupils.groups)),
            "subgroup_kind": np.repeat(list(pupils.groups), len(key)),
            "subgroup": pa.array(np.concatenate(list(pupils.groups.values())), pa.string()),
        }
    )
    with duckdb.connect(str(path)) as connection:
        connection.register("told", told)
        connection.register("kinds", kinds)
        for statement in (
            "mart_pupil_subgroup as select * from kinds",
            "mart_pupil_plan as select school_id, student_key, 'math' as subject, grade from told",
            "mart_school as select school_id, school_id as school_name, cast(count(*) as integer) as pupils"
            " from told group by all",
            f"mart_competency as select 'c' || i as competency_id, 'math' as subject,"
            f" cast(null as text) as grades from range({COMPETENCIES}) t(i)",
            "mart_student_competency as select student_key, 'c' || i as competency_id,"
            f" case when i < level * {COMPETENCIES} then 'mastered' else 'developing' end as state"
            f" from told cross join range({COMPETENCIES}) t(i)",
            "mart_needs_adult as select school_id, student_key from told where level < 0.12",
            "mart_moves_on as select school_id, student_key from told where level between 0.7 and 0.8",
        ):
            connection.execute(f"create table {statement}")
    done = store.Release(release_id=folder.name, kind="learning", data_date=day, built_at=datetime.now(UTC), path=path)
    store.save(done)
    store.swap(settings, done)


def seconds_used() -> float:
    """Processor seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row a week and what the dearest came to."""
    parser = argparse.ArgumentParser(description="Publish weeks of a district of 100 schools.")
    parser.add_argument("--weeks", type=int, default=3)
    parser.add_argument("--schools", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    rng = np.random.default_rng(given.seed)
    pupils, dearest = district(given.schools, rng), 0.0
    print(f"{'week':<12}{'state':<9}{'cells':>7}{'coded':>7}{'left out':>9}{'failed':>7}{'cpu s':>8}{'wall s':>8}")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        for week in range(given.weeks):
            day = MONDAY + timedelta(weeks=week)
            release(settings, day, pupils)
            used, started = seconds_used(), time.perf_counter()
            done = publications.make(settings, "learning")
            used, wall = seconds_used() - used, time.perf_counter() - started
            dearest = max(dearest, used)
            print(
                f"{day.isoformat():<12}{done.state:<9}{done.cells:>7}{done.hidden:>7}{done.suppressed:>9}"
                f"{len(done.failures):>7}{used:>8.1f}{wall:>8.1f}  {done.reason}",
                flush=True,
            )
            pupils.week(rng)
    print(f"dearest week: {dearest:.1f} s of processor time (goal: at most {GOAL_SECONDS:.0f})")


if __name__ == "__main__":
    main()
