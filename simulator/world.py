"""The simulated district itself: schools, classes, people, enrolments, sources and pilots, drawn once from the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cairn.errors import UsageError
from simulator import naming
from simulator.competency_truth import CompetencyTruth, draw_competency_truth
from simulator.dates import Dates
from simulator.framework import SUBJECTS, Competency, Items, competencies, make_items, prerequisites

CLASS_SIZE = 28
NEVER = 10_000  # a day index after every simulated day
MOVE_SHARE, JOIN_SHARE = 0.02, 0.015
# Of pupils' ability between schools: with it fall scores differ by about .17 SD between schools (``outcomes``).
SCHOOL_ABILITY_SD = 0.2
GRADES = ((3, 4, 5), (6, 7, 8))  # elementary (even schools), middle (odd schools)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A sender: an xAPI or Caliper app and the schools (indices) it serves, a subject each."""

    source_id: str
    format: str
    platform: str


SOURCES = (
    Source("tallypath", "xapi", "Tallypath"),
    Source("lumenread", "xapi", "Lumenread"),
    Source("quillboard", "caliper", "Quillboard"),
)
# source (index into SOURCES) of (math, reading) in schools 0, 1, 2 and so on in turn
SOURCE_OF_SCHOOL = ((0, 0), (0, 1), (2, 1))


@dataclass(frozen=True)
class Students:
    """One entry a pupil, in the order of ``id``.

    ``ability`` is standard normal plus the school's share; ``ability_by[subject]`` is the same for a subject;
    ``class_before`` and ``class_after`` are class indices [pupil, subject] before and from ``move_day``.
    """

    id: list[str]
    username: list[str]
    given: list[str]
    family: list[str]
    has_email: NDArray[np.bool_]
    grade: Ints
    school: Ints
    school_after: Ints
    ability: Floats
    ability_by: Floats
    activity: Floats
    class_before: Ints
    class_after: Ints
    move_day: Ints
    join_day: Ints
    reenrol_day: Ints

    def __len__(self) -> int:
        return len(self.id)

    def school_on(self, pupils: Ints, day: Ints | int) -> Ints:
        """School index of each pupil on a day."""
        return np.where(day >= self.move_day[pupils], self.school_after[pupils], self.school[pupils])

    def class_on(self, pupils: Ints, subject: int, day: Ints | int) -> Ints:
        """Class index of each pupil in a subject on a day."""
        after = day >= self.move_day[pupils]
        return np.asarray(np.where(after, self.class_after[pupils, subject], self.class_before[pupils, subject]))


@dataclass(frozen=True)
class Classes:
    """One entry a class: its school, grade, section, subject (indices), teacher and the clock time it meets."""

    id: list[str]
    school: Ints
    grade: Ints
    section: Ints
    subject: Ints
    teacher: Ints
    starts_minute: Ints
    pace_days: Floats
    first_competency: Ints


@dataclass(frozen=True)
class Staff:
    """Teachers and one administrator a school."""

    id: list[str]
    username: list[str]
    given: list[str]
    family: list[str]
    school: Ints
    is_administrator: NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """Everything that is true before the first day."""

    dates: Dates
    school_ids: list[str]
    school_names: list[str]
    leaves: list[Competency]
    edges: list[tuple[int, int]]
    items: Items
    competency_truth: CompetencyTruth
    classes: Classes
    staff: Staff
    students: Students
    silent_source: int
    silent_from: int

    def source(self, school: Ints, subject: int) -> Ints:
        """Source index that a school uses for a subject."""
        return np.asarray(np.array(SOURCE_OF_SCHOOL, dtype=np.int64)[school % 3, subject])

    def schools_of(self, source: int) -> list[int]:
        """School indices a source serves."""
        return [s for s in range(len(self.school_ids)) if source in SOURCE_OF_SCHOOL[s % 3]]


def _classes(school: Ints, grade: Ints, schools: int, rng: np.random.Generator) -> tuple[Classes, dict[int, list[int]]]:
    """All classes, and for each school*100+grade the class indices as [section * 2 + subject]."""
    rows: list[tuple[int, int, int, int]] = []
    lookup: dict[int, list[int]] = {}
    for s in range(schools):
        for g in GRADES[s % 2]:
            size = int(((school == s) & (grade == g)).sum())
            for section in range(max(1, -(-size // CLASS_SIZE))):
                for subject in range(len(SUBJECTS)):
                    lookup.setdefault(s * 100 + g, []).append(len(rows))
                    rows.append((s, g, section, subject))
    table = np.array(rows, dtype=np.int64)
    # A teacher teaches one subject to one section of each of the school's grades.
    teacher = np.unique(table[:, 0] * 10_000 + table[:, 2] * 2 + table[:, 3], return_inverse=True)[1]
    period = np.where(table[:, 3] == 0, 8 * 60 + 40, 12 * 60 + 40) + (table[:, 1] % 3) * 55
    return (
        Classes(
            id=naming.identifiers("cls", len(rows), rng),
            school=table[:, 0],
            grade=table[:, 1],
            section=table[:, 2],
            subject=table[:, 3],
            teacher=teacher,
            starts_minute=period,
            pace_days=rng.uniform(6.0, 9.0, len(rows)),
            first_competency=(table[:, 1] % 3) * 3,
        ),
        lookup,
    )


def _moves(
    school: Ints, grade: Ints, schools: int, days: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Ints]:
    """(school after, day of the move, day of joining, day of leaving and re-enrolling) of each pupil."""
    count = len(school)
    after, move_day = school.copy(), np.full(count, NEVER)
    join_day, reenrol_day = np.zeros(count, dtype=np.int64), np.full(count, NEVER)
    if days < 5:  # too short for anybody to come or go
        return after, move_day, join_day, reenrol_day
    order = rng.permutation(count)
    movers = order[: max(1, round(count * MOVE_SHARE))]
    joiners = order[len(movers) : len(movers) + round(count * JOIN_SHARE)]
    reenrolled = order[len(movers) + len(joiners) :][: 1 + count // 500]
    low, high = max(1, int(days * 0.3)), max(2, int(days * 0.7))
    for pupil in movers.tolist():
        choices = [s for s in range(schools) if s % 2 == school[pupil] % 2 and s != school[pupil]]
        if choices:
            after[pupil] = rng.choice(choices)
            move_day[pupil] = rng.integers(low, high)
    join_day[joiners] = rng.integers(low, high, len(joiners))
    reenrol_day[reenrolled] = rng.integers(low, high, len(reenrolled))
    return after, move_day, join_day, reenrol_day


def _students(
    schools: int, count: int, days: int, ahead: Mapping[int, float], rng: np.random.Generator
) -> tuple[Students, Classes]:
    school = np.arange(count) % schools
    band = school % 2
    grade = np.array(GRADES)[band, (np.arange(count) // schools) % 3]
    classes, lookup = _classes(school, grade, schools, rng)
    after, move_day, join_day, reenrol_day = _moves(school, grade, schools, days, rng)
    turn = np.arange(count) // (schools * 3)

    def place(where: Ints) -> Ints:
        rows = []
        for pupil, s in enumerate(where.tolist()):
            options = lookup[s * 100 + int(grade[pupil])]
            section = int(turn[pupil]) % (len(options) // 2)
            rows.append(options[section * 2 : section * 2 + 2])
        return np.array(rows, dtype=np.int64)

    school_effect = rng.normal(0.0, SCHOOL_ABILITY_SD, schools)
    school_effect[list(ahead)] += list(ahead.values())
    ability = 0.9 * rng.normal(0.0, 1.0, count) + school_effect[school]
    given, family, usernames = naming.people(count, rng)
    students = Students(
        id=naming.identifiers("stu", count, rng),
        username=usernames,
        given=given,
        family=family,
        has_email=rng.random(count) < 0.7,
        grade=grade,
        school=school,
        school_after=after,
        ability=ability,
        ability_by=0.9 * ability[:, None] + 0.4 * rng.normal(0.0, 1.0, (count, 2)),
        activity=np.clip(np.exp(rng.normal(-0.045, 0.3, count)), 0.3, 2.0),
        class_before=place(school),
        class_after=place(after),
        move_day=move_day,
        join_day=join_day,
        reenrol_day=reenrol_day,
    )
    return students, classes


def _staff(classes: Classes, schools: int, rng: np.random.Generator) -> Staff:
    teachers = int(classes.teacher.max()) + 1
    first_class = np.array([int(np.argmax(classes.teacher == t)) for t in range(teachers)])
    count = teachers + schools
    given, family, usernames = naming.people(count, rng)
    return Staff(
        id=naming.identifiers("stf", count, rng),
        username=[f"{name}.staff" for name in usernames],
        given=given,
        family=family,
        school=np.concatenate([classes.school[first_class], np.arange(schools)]),
        is_administrator=np.arange(count) >= teachers,
    )


def build_world(
    schools: int,
    students: int,
    days: int,
    seed: int,
    last: date | None = None,
    ahead: Mapping[int, float] = MappingProxyType({}),
) -> World:
    """Draw the district; ``last`` as in :meth:`Dates.of`, ``ahead`` is by how much more (SD of ability) the pupils of
    some schools (indices) are able. Raises UsageError for sizes that make no district."""
    if schools < 1 or students < schools:
        raise UsageError(f"--schools {schools} --students {students}: give at least one school and a pupil for each")
    if schools > 999:
        raise UsageError(f"--schools {schools}: at most 999")
    dates = Dates.of(days, last)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, 1]).spawn(4)]
    pupils, classes = _students(schools, students, days, ahead, streams[0])
    leaves = competencies()
    used = sorted({s for pair in SOURCE_OF_SCHOOL[: min(3, schools)] for s in pair})
    return World(
        dates=dates,
        school_ids=[f"sch-{s + 1:03d}" for s in range(schools)],
        school_names=[naming.school_name(s) for s in range(schools)],
        leaves=leaves,
        edges=prerequisites(leaves),
        items=make_items(leaves, streams[1]),
        competency_truth=draw_competency_truth(len(leaves), streams[3]),
        classes=classes,
        staff=_staff(classes, schools, streams[2]),
        students=pupils,
        silent_source=used[-1],
        silent_from=days - max(2, days // 20) if len(used) > 1 and days >= 10 else NEVER,
    )
