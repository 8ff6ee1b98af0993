"""What really happened, beside the data (``truth/``): never read by the product, only by tests and the demo's check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from simulator.competency_truth import true_shares
from simulator.faults import CONFLICT, DUPLICATE, FAULT_NAMES, MALFORMED, MALFORMED_KINDS, VOID, Lines
from simulator.outcomes import Outcomes
from simulator.pilot_design import PilotTruth
from simulator.pilot_kinds import VOLUNTEERS, VOLUNTEERS_AHEAD_SD
from simulator.pupil_work import ATTEMPT, COMPLETION, Work
from simulator.world import NEVER, SOURCES, World

SHARE_ROWS = 1_000_000  # rows of shares.parquet made at a time
COUNTED = ("accepted", "duplicate", "conflict", "rejected")


def counts_as(work: Work, lines: Lines) -> NDArray[np.str_]:
    """What each line should become: attempt, engagement, completion, voided (evidence taken back), void, duplicate,
    conflict, rejected."""
    kind = work.kind[lines.event]
    result = np.select([kind == ATTEMPT, kind == COMPLETION], ["attempt", "completion"], "engagement").astype("U10")
    result[lines.is_voided] = "voided"
    for code, name in ((DUPLICATE, "duplicate"), (CONFLICT, "conflict"), (VOID, "void")):
        result[lines.fault == code] = name
    result[lines.fault >= MALFORMED] = "rejected"
    return result


def write_truth(
    world: World, work: Work, lines: Lines, pilots: list[PilotTruth], outcomes: Outcomes, out: Path
) -> None:
    """``students``, ``competencies``, ``states``, ``shares`` and ``events`` as parquet, ``pilots`` and ``faults`` as
    JSON."""
    folder = out / "truth"
    folder.mkdir(parents=True, exist_ok=True)
    _write_students(world, folder)
    _write_competencies(world, folder)
    _write_states(world, work, folder)
    _write_shares(world, work, folder)
    _write_events(world, work, lines, folder)
    (folder / "pilots.json").write_bytes(
        orjson.dumps({"pilots": [_pilot(world, p, outcomes) for p in pilots]}, option=orjson.OPT_INDENT_2)
    )
    (folder / "faults.json").write_bytes(orjson.dumps(_faults(world, work, lines), option=orjson.OPT_INDENT_2))


def _write(columns: dict[str, Any], path: Path) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd")


def _names(values: list[str], index: NDArray[np.int64]) -> Any:
    taken = pa.array(values, pa.string()).take(pa.array(np.maximum(index, 0)))
    return pa.compute.if_else(pa.array(index >= 0), taken, pa.scalar(None, pa.string()))


def _write_students(world: World, folder: Path) -> None:
    s, days = world.students, world.dates.days
    _write(
        {
            "student_id": s.id,
            "school_id": _names(world.school_ids, s.school),
            "school_after_id": _names(world.school_ids, s.school_after),
            "move_date": [days[d] if d < NEVER else None for d in s.move_day.tolist()],
            "join_date": [days[d] if d else None for d in s.join_day.tolist()],
            "reenrol_date": [days[d] if d < NEVER else None for d in s.reenrol_day.tolist()],
            "grade": s.grade,
            "ability": s.ability,
            "ability_math": s.ability_by[:, 0],
            "ability_reading": s.ability_by[:, 1],
        },
        folder / "students.parquet",
    )


def _write_states(world: World, work: Work, folder: Path) -> None:
    pupils, leaves = work.known.shape
    _write(
        {
            "student_id": _names(world.students.id, np.repeat(np.arange(pupils), leaves)),
            "competency_id": _names([leaf.identifier for leaf in world.leaves], np.tile(np.arange(leaves), pupils)),
            "known": work.known.ravel(),
            "opportunities": work.opportunities.ravel(),
        },
        folder / "states.parquet",
    )


def _write_competencies(world: World, folder: Path) -> None:
    """The chances that were drawn for each competency."""
    truth = world.competency_truth
    _write(
        {
            "competency_id": [leaf.identifier for leaf in world.leaves],
            "learn": truth.learn,
            "forget_daily": truth.forget_daily,
            "guess": truth.guess,
            "slip": truth.slip,
        },
        folder / "competencies.parquet",
    )


def _write_shares(world: World, work: Work, folder: Path) -> None:
    """Each pupil's true share of each competency as days ended, in order of day: a row on the first day, and on each
    day on which the pupil worked at it or forgot it. The share of a row holds until the pair's next row."""
    states = work.states
    by_state = true_shares(world.competency_truth, world.items, world.students.ability_by)
    competencies = [leaf.identifier for leaf in world.leaves]
    days = np.array(world.dates.days, dtype="datetime64[D]")
    types = (pa.string(), pa.string(), pa.date32(), pa.float32())
    schema = pa.schema(list(zip(("student_id", "competency_id", "date", "true_share"), types, strict=True)))
    with pq.ParquetWriter(folder / "shares.parquet", schema, compression="zstd") as file:
        for start in range(0, len(states.pupil), SHARE_ROWS):
            rows = slice(start, start + SHARE_ROWS)
            pupil, competency = states.pupil[rows].astype(np.int64), states.competency[rows].astype(np.int64)
            share = by_state[states.known[rows].astype(np.int64), pupil, competency]
            names = (_names(world.students.id, pupil), _names(competencies, competency))
            file.write_table(pa.table([*names, days[states.day[rows]], share], schema=schema))


def _write_events(world: World, work: Work, lines: Lines, folder: Path) -> None:
    e = lines.event
    is_attempt = work.kind[e] == ATTEMPT
    item = np.where(is_attempt, work.item[e], -1)
    score = work.score[e]
    days = np.array(world.dates.days, dtype="datetime64[D]")
    _write(
        {
            "statement_id": lines.id,
            "student_id": _names(world.students.id, work.pupil[e]),
            "source_id": _names([source.source_id for source in SOURCES], work.source[e]),
            "school_id": _names(world.school_ids, work.school[e]),
            "class_id": _names(world.classes.id, work.classroom[e]),
            "item_id": _names(world.items.ids, item),
            "competency_id": _names(
                [leaf.identifier for leaf in world.leaves], np.where(item >= 0, world.items.competency[item], -1)
            ),
            "correct": pa.array(score == 1.0, mask=~is_attempt | ((score > 0.0) & (score < 1.0))),
            "score": pa.array(score, mask=~is_attempt),
            "attempt_number": pa.array(work.attempt[e], mask=~is_attempt),
            "hints": work.hints[e],
            "duration_ms": work.duration_ms[e],
            "is_rapid": work.is_rapid[e],
            "event_time": pa.array(work.event_us[e]).cast(pa.timestamp("us", "UTC")),
            "work_date": days[work.day[e]],
            "arrival_date": lines.arrival_day.astype("datetime64[D]"),
            "is_late": lines.is_late,
            "is_duplicate": lines.fault == DUPLICATE,
            "fault": [FAULT_NAMES[code] for code in lines.fault.tolist()],
            "counts_as": counts_as(work, lines).tolist(),
        },
        folder / "events.parquet",
    )


def _pilot(world: World, pilot: PilotTruth, outcomes: Outcomes) -> dict[str, Any]:
    return {
        "pilot_id": pilot.pilot_id,
        "design": pilot.kind.design,
        "effect_sd": pilot.effect_sd,
        "effect_points": outcomes.effect_points[pilot.pilot_id],
        "learning_points": outcomes.learning_points[pilot.pilot_id],
        "treatment": [world.school_ids[s] for s in pilot.treated],
        "comparison": [world.school_ids[s] for s in pilot.comparison],
        "waves": {world.school_ids[s]: pilot.wave[s] for s in pilot.treated},
        "wave_starts": [world.dates.days[day].isoformat() for day in pilot.wave_days],
        "ahead_sd": VOLUNTEERS_AHEAD_SD if pilot.kind.design == VOLUNTEERS else 0.0,
        "planned_minutes": pilot.planned_minutes,
        "mean_dose": float(pilot.dose[pilot.is_treated].mean()) if pilot.is_treated.any() else 0.0,
        "pupils_treated": int(pilot.is_treated.sum()),
    }


def _has_one_school(world: World) -> NDArray[np.bool_]:
    return np.array([len(world.schools_of(index)) == 1 for index in range(len(SOURCES))])


def _faults(world: World, work: Work, lines: Lines) -> dict[str, Any]:
    """Expected books a date of arrival, source and claimed school; a broken line claims no school ('unknown'),
    unless its source serves one only."""
    fate = counts_as(work, lines)
    school = work.school[lines.event]
    broken = lines.fault == MALFORMED + MALFORMED_KINDS.index("broken_json")
    school = np.where(broken & ~_has_one_school(world)[work.source[lines.event]], len(world.school_ids), school)
    key = np.stack([lines.arrival_day, work.source[lines.event], school], axis=1)
    groups, inverse = np.unique(key, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    column = np.select([fate == "duplicate", fate == "conflict", fate == "rejected"], [1, 2, 3], 0)
    table = np.zeros((len(groups), len(COUNTED)), dtype=np.int64)
    np.add.at(table, (inverse, column), 1)
    late = np.bincount(inverse, weights=lines.is_late, minlength=len(groups)).astype(int)
    schools = [*world.school_ids, "unknown"]
    books = [
        {
            "arrival_date": str(np.datetime64(int(day), "D")),
            "source_id": SOURCES[source].source_id,
            "school_id": schools[where],
            "sent": int(row.sum()),
            **dict(zip(COUNTED, row.tolist(), strict=True)),
            "late": int(late_here),
        }
        for (day, source, where), row, late_here in zip(groups.tolist(), table, late, strict=True)
    ]
    names = {code: name for code, name in FAULT_NAMES.items() if name}
    has_silence = world.silent_from < NEVER
    return {
        "totals": {
            "sent": len(lines),
            **dict(zip(COUNTED, table.sum(axis=0).tolist(), strict=True)),
            "late": int(lines.is_late.sum()),
            "voided": int((fate == "voided").sum()),
            "by_fault": {name: int((lines.fault == code).sum()) for code, name in names.items()},
        },
        "books": books,
        "silent": {
            "source_id": SOURCES[world.silent_source].source_id,
            "from_date": world.dates.days[world.silent_from].isoformat(),
        }
        if has_silence
        else None,
        "identifying": {
            "file": "roster/users.csv",
            "columns": ["sourcedId", "username", "givenName", "familyName", "email"],
        },
    }
