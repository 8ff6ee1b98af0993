"""What schools are like before a draw: size, baseline mean, and what a file says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

import lake
from cairn.errors import CairnError
from cairn.grades import grade_key
from cairn.rostering.tabular import read_table_file
from cairn.settings import Settings
from pilots.draft import Draft
from pilots.known import nearest, same
from pilots.school_table import need_readable, number_of

PUPILS, BASELINE = "pupils", "baseline_mean"
# A baseline score counts for so long before the draw.
RECENT = timedelta(days=400)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SchoolTraits:
    """``values`` [school, trait] in the draft's order of schools; ``notes`` say what was left out."""

    names: tuple[str, ...]
    values: Floats
    origin: str
    notes: tuple[str, ...] = ()


def from_file(path: Path, draft: Draft) -> SchoolTraits:
    """Traits from a CSV with ``school_id`` and a column a trait: pupils, baseline_mean, what the plan names.

    Columns that the plan does not name are left out, and named in the notes. Raises CairnError with file, line and
    column for what is missing or is no number.
    """
    table = read_table_file(path, ("school_id", PUPILS, BASELINE, *draft.balance_on))
    need_readable(table)
    table.require(["school_id"])
    given = [name for name in (PUPILS, BASELINE) if table.has(name)]
    for name in draft.balance_on:
        if not table.has(name):
            hint = nearest(name, table.header, f"there are {', '.join(table.header)}")
            raise CairnError(f"{table.name}:1: the plan balances on {name!r}, which is no column; {hint}")
    names = tuple(dict.fromkeys([*given, *draft.balance_on]))
    if not names:
        raise CairnError(f"{table.name}:1: nothing to balance on beside school_id; add {PUPILS} and {BASELINE}")
    values: dict[str, list[float]] = {}
    others = 0
    for row in table.rows:
        school = row.get("school_id")
        if school in values:
            raise CairnError(
                f"{table.name}:{row.line}: school {school!r} is there twice; keep one line for each school"
            )
        if school in draft.schools:
            values[school] = [number_of(table, row, name) for name in names]
        else:
            others += 1
    if missing := [school for school in draft.schools if school not in values]:
        raise CairnError(f"{table.name}: no line for {', '.join(missing)}; every school that is drawn needs one")
    notes = [f"{others} lines of {table.name} are of schools that are not drawn"] if others else []
    if left := table.unknown(["school_id", *names]):
        notes.append(f"not balanced on {', '.join(left)}: name them in assignment.balance_on of the plan to do so")
    return SchoolTraits(names, np.array([values[school] for school in draft.schools]), table.name, tuple(notes))


def from_lake(settings: Settings, draft: Draft, today: date) -> SchoolTraits:
    """Traits from roster and assessments in the lake: pupils of the plan's grades, and their baseline mean in SD.

    A pupil's newest score of the plan's baseline assessment counts, not older than 400 days before the draw;
    standardised within grade and window, so that grades can be taken together. Raises CairnError where the roster has
    no pupils of a school, the plan names a trait that the lake does not have, or only some schools have scores.
    """
    if draft.balance_on:
        raise CairnError(
            f"the lake does not have {', '.join(draft.balance_on)} of schools: give them with --schools CSV"
        )
    day = min(today, date.fromisoformat(draft.assigned_on)) if draft.assigned_on else today
    school_of, grade_of = _rostered(settings, draft.schools, draft.grades)
    sizes = Counter(school_of.values())
    counts = np.array([sizes[school] for school in draft.schools], dtype=float)
    if empty := [school for school, count in zip(draft.schools, counts, strict=True) if count == 0]:
        raise CairnError(
            f"no pupils of {', '.join(empty)} in the roster{' in the grades of the plan' if draft.grades else ''}: run "
            "'cairn roster load' first, or give --schools CSV"
        )
    scores = _scores(settings, draft, school_of, grade_of, day)
    if not scores:
        note = "no scores of the baseline assessment before the draw: balanced on size alone"
        return SchoolTraits((PUPILS,), counts[:, None], "the roster", (note,))
    if without := [school for school in draft.schools if school not in scores]:
        raise CairnError(f"no baseline scores of {', '.join(without)} and some of the others: give --schools CSV")
    means = np.array([float(np.mean(scores[school])) for school in draft.schools])
    return SchoolTraits((PUPILS, BASELINE), np.column_stack([counts, means]), "roster and assessments")


def pupils_per_school(settings: Settings, schools: Sequence[str], grades: Sequence[str]) -> float | None:
    """Pupils in a school on average, of these grades (empty: all), from the roster; None where it has none."""
    school_of, _ = _rostered(settings, schools, grades)
    return len(school_of) / len(schools) if school_of else None


def _rostered(
    settings: Settings, schools: Sequence[str], grades: Sequence[str]
) -> tuple[dict[str, str], dict[str, str | None]]:
    """(school, grade) of each pupil: the newest enrolment that is on record, in one of these schools and grades."""
    persons = lake.read(settings, "silver.person", ["student_key", "role", "grade"], pc.field("recorded_to").is_null())
    grade_of = {row["student_key"]: row["grade"] for row in persons.to_pylist() if row["role"] == "student"}
    columns = ["student_key", "school_id", "valid_from_date", "status", "role"]
    current = pc.field("recorded_to").is_null() & (pc.field("role") == "student")
    newest: dict[str, tuple[str, str]] = {}
    for row in lake.read(settings, "silver.enrollment", columns, current).to_pylist():
        if row["status"] == "tobedeleted":
            continue
        since = (str(row["valid_from_date"] or ""), row["school_id"])
        if row["student_key"] not in newest or since > newest[row["student_key"]]:
            newest[row["student_key"]] = since
    school_of = {
        pupil: school
        for pupil, (_, school) in newest.items()
        if school in schools and (not grades or grade_key(grade_of.get(pupil) or "") in grades)
    }
    return school_of, grade_of


def _scores(
    settings: Settings, draft: Draft, school_of: dict[str, str], grade_of: dict[str, str | None], day: date
) -> dict[str, list[float]]:
    """Of each school the standardised scores of its pupils; empty where the plan names no baseline."""
    if draft.assessment is None or draft.measure is None:
        return {}
    wanted = (
        pc.field("recorded_to").is_null()
        & pc.field("scale_score").is_valid()
        & (pc.field("taken_date") < day)
        & (pc.field("taken_date") >= day - RECENT)
    )
    names = {"assessment": draft.assessment, "measure": draft.measure, "subject": draft.subject}
    columns = ["student_key", "window_name", "taken_date", "scale_score", "is_rapid_guess", *names]
    table = lake.read(settings, "silver.assessment_result", columns, wanted)
    for column, name in names.items():
        if name is not None:
            alike_names = [one for one in table[column].unique().to_pylist() if one and same(one) == same(name)]
            table = table.filter(pc.is_in(table[column], pa.array(alike_names, pa.string())))
    newest: dict[str, tuple[date, str, float]] = {}
    for row in table.to_pylist():
        pupil = row["student_key"]
        if pupil in school_of and not row["is_rapid_guess"]:
            one = (row["taken_date"], str(row["window_name"]), float(row["scale_score"]))
            newest[pupil] = max(newest.get(pupil, one), one)
    alike: dict[tuple[str | None, str], list[float]] = {}
    for pupil, (_, window, score) in newest.items():
        alike.setdefault((grade_of.get(pupil), window), []).append(score)
    scale = {key: (float(np.mean(scores)), float(np.std(scores))) for key, scores in alike.items()}
    found: dict[str, list[float]] = {}
    for pupil, (_, window, score) in newest.items():
        mean, sd = scale[(grade_of.get(pupil), window)]
        found.setdefault(school_of[pupil], []).append((score - mean) / sd if sd > 0 else 0.0)
    return found
