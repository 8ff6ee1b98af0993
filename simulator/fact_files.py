"""Facts that district systems export: dosage, costs, milestones, teachers' actions and words, absences."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from simulator.pilot_design import PilotTruth
from simulator.pupil_work import ATTEMPT, Work
from simulator.rollout_facts import BY_SCHOOL, Rows, write_rollout_facts
from simulator.roster_files import write_csv
from simulator.world import World

BY_STUDENT = ("StudentId", "PilotId", "Date", "Name", "Value", "Unit", "Code")
# Where a cost goes, as the district says it; of coaching it does not say.
GOES_TO = {"licences": "classroom", "devices": "classroom", "training": "central"}
ACTIONS = ("reteach", "small_group", "one_to_one", "extra_practice")
OVERRIDES = ("StudentId", "Date", "Competency", "Says", "Reason", "Until")
LOCKED_GROUPS, LOCKED_PUPILS = 2, 3  # groups that a school keeps as they are, and pupils in each
STUCK_WRONG = 5  # wrong first answers at one competency after which a teacher may step in

# Of the pairs that the work shows otherwise than they are, the share of which a teacher says so.
SAID_SHARE = 0.02
SEVERAL_RIGHT = 4


def write_facts(world: World, work: Work, pilots: list[PilotTruth], out: Path, seed: int) -> None:
    """Every file, each with a header of its own kind even where it has no rows."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 8]))
    folder = out / "facts"
    write_csv(folder / "dosage.csv", BY_STUDENT, [r for p in pilots for r in _dosage(world, work, p, rng)])
    write_csv(folder / "costs.csv", BY_SCHOOL, [r for p in pilots for r in _costs(world, p, rng)])
    write_csv(folder / "milestones.csv", BY_SCHOOL, [r for p in pilots for r in _milestones(world, p, rng)])
    write_csv(folder / "actions.csv", BY_STUDENT, _actions(world, work, rng))
    write_csv(folder / "group_locks.csv", ("StudentId", "Date", "CompetencyId", "Code"), _group_locks(world, work))
    write_csv(folder / "attendance.csv", BY_STUDENT, _absences(world, work, rng))
    # Draws of its own: the other files stay as they were.
    words = np.random.default_rng(np.random.SeedSequence([seed, 13]))
    write_csv(folder / "overrides.csv", OVERRIDES, _overrides(world, work, words))
    write_rollout_facts(world, pilots, folder, seed)


def _dosage(world: World, work: Work, pilot: PilotTruth, rng: np.random.Generator) -> Rows:
    """Minutes a week of each treated pupil, on the week's last school day; they sum to dose times planned minutes
    where the pupil has it from the first day on."""
    days = list(range(pilot.first_day, pilot.last_day + 1))
    weeks: dict[tuple[int, int], list[int]] = {}
    for day in days:
        weeks.setdefault(world.dates.days[day].isocalendar()[:2], []).append(day)
    treated = np.flatnonzero(pilot.is_treated)
    rows: Rows = []
    for members in weeks.values():
        week_end = world.dates.days[members[-1]].isoformat()
        since = np.maximum(pilot.start_day[treated], members[0])
        share = pilot.minutes_a_day * np.maximum(0, members[-1] - since + 1)
        minutes = np.maximum(0, np.round(share * pilot.dose[treated] * rng.normal(1.0, 0.15, len(treated)))).astype(int)
        enrolled = (world.students.join_day[treated] <= members[-1]) & (since <= members[-1])
        for pupil, value in zip(treated[enrolled].tolist(), minutes[enrolled].tolist(), strict=True):
            rows.append([world.students.id[pupil], pilot.pilot_id, week_end, "minutes", value, "minutes", ""])
    return rows


def _costs(world: World, pilot: PilotTruth, rng: np.random.Generator) -> Rows:
    start, middle = world.dates.days[pilot.first_day], world.dates.days[(pilot.first_day + pilot.last_day) // 2]
    kind = pilot.kind
    rows: list[tuple[int, date, str, float]] = []
    for school in pilot.treated:
        pupils = int((world.students.school == school).sum())
        rows.append((school, start, "licences", round(kind.licence_usd * pupils, 2)))
        rows.append((school, start, "training", round(kind.training_usd * float(rng.uniform(0.8, 1.2)), 2)))
        rows.append((school, middle, "coaching", round(300 * float(rng.uniform(0.8, 1.2)), 2)))
        if kind.device_usd:
            rows.append((school, start, "devices", round(kind.device_usd * float(rng.uniform(0.8, 1.2)), 2)))
    return [
        [world.school_ids[s], pilot.pilot_id, day, name, value, "usd", GOES_TO.get(name, "")]
        for s, day, name, value in rows
    ]


def _milestones(world: World, pilot: PilotTruth, rng: np.random.Generator) -> Rows:
    """Every milestone of every treated school: done on time, done late, or open; pilot B is the later one."""
    late = 0.1 if pilot.effect_sd > 0 else 0.35
    rows: Rows = []
    for school in pilot.treated:
        for name, due in pilot.milestones:
            u = rng.random()
            code = "open" if u < late / 3 else "done_late" if u < late else "done_on_time"
            days_late = int(rng.integers(3, 15)) if code == "done_late" else 0
            rows.append([world.school_ids[school], pilot.pilot_id, due, name, days_late, "days", code])
    return rows


def _actions(world: World, work: Work, rng: np.random.Generator) -> Rows:
    """A teacher steps in for some of the pupils who are often wrong at a competency, the school day after."""
    first = (work.kind == ATTEMPT) & (work.attempt == 1) & (work.is_correct == 0) & (work.is_rapid == 0)
    pupil, day = work.pupil[first], work.day[first]
    competency = world.items.competency[work.item[first]]
    order = np.lexsort((work.event_us[first], competency, pupil))
    pair = (pupil * 1000 + competency)[order]
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    rank = np.arange(len(pair)) - np.repeat(starts, np.diff([*starts, len(pair)]))
    chosen = order[(rank == STUCK_WRONG - 1) & (rng.random(len(pair)) < 0.4)]
    chosen = chosen[np.lexsort((pupil[chosen], day[chosen]))]
    days, rows = world.dates.days, []
    for i in chosen.tolist():
        if day[i] + 1 < len(days):
            kind = ACTIONS[int(rng.integers(0, len(ACTIONS)))]
            leaf = world.leaves[int(competency[i])]
            rows.append([world.students.id[pupil[i]], "", days[day[i] + 1], leaf.identifier, 1, "count", kind])
    return rows  # type: ignore[return-value]


def _overrides(world: World, work: Work, rng: np.random.Generator) -> Rows:
    """Teachers who know better than the app: of some pupils who know it but were often wrong, or the other way round.

    One word in ten is taken back after two weeks, one in five ends by itself at the end of the year's dates.
    """
    days = world.dates.days
    is_first = (work.kind == ATTEMPT) & (work.attempt == 1) & (work.is_rapid == 0)
    pupil, competency = work.pupil[is_first], world.items.competency[work.item[is_first]]
    is_right, day = work.is_correct[is_first] == 1, work.day[is_first]
    width = len(world.leaves)
    keys, pair = np.unique(pupil * width + competency, return_inverse=True)
    right = np.bincount(pair, weights=is_right)
    wrong = np.bincount(pair, weights=~is_right)
    last = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(last, pair, day)
    knows = work.known[keys // width, keys % width]
    chosen = [
        rng.choice(odd, max(1, round(SAID_SHARE * odd.size)), replace=False) if odd.size else odd
        for odd in (np.flatnonzero(knows & (wrong >= STUCK_WRONG)), np.flatnonzero(~knows & (right >= SEVERAL_RIGHT)))
    ]
    rows: Rows = []
    for place in np.sort(np.concatenate(chosen)).tolist():
        said_on, ends = min(int(last[place]) + 1, len(days) - 1), rng.random()
        who, on = world.students.id[keys[place] // width], world.leaves[int(keys[place] % width)].identifier
        word, why = ("mastered", "seen_in_class") if knows[place] else ("not_yet", "was_helped")
        until = days[-1].isoformat() if ends > 0.8 else ""
        rows.append([who, days[said_on].isoformat(), on, word, why, until])
        if ends < 0.1 and said_on + 10 < len(days):
            rows.append([who, days[said_on + 10].isoformat(), on, "withdrawn", "", ""])
    return rows


def _group_locks(world: World, work: Work) -> Rows:
    """Groups that two classes of the first school keep as they are: who was wrong most often at one competency."""
    classes, students = world.classes, world.students
    wrong = (work.kind == ATTEMPT) & (work.attempt == 1) & (work.is_correct == 0) & (work.is_rapid == 0)
    pupil, room = work.pupil[wrong], work.classroom[wrong]
    competency = world.items.competency[work.item[wrong]]
    stays = students.class_after[pupil, classes.subject[room]] == room
    of_school = classes.school[room] == world.school_ids.index(min(world.school_ids))
    rows: Rows = []
    for group in np.flatnonzero(of_school & stays)[
        np.lexsort((competency[of_school & stays], room[of_school & stays]))
    ]:
        if len(rows) == LOCKED_GROUPS * LOCKED_PUPILS:
            break
        same = stays & (room == room[group]) & (competency == competency[group])
        often = [int(one) for one in np.argsort(-np.bincount(pupil[same]), kind="stable")[:LOCKED_PUPILS]]
        named = {str(row[0]) for row in rows}
        if len(set(pupil[same].tolist())) < LOCKED_PUPILS or named & {students.id[one] for one in often}:
            continue
        day, leaf = world.dates.days[len(world.dates.days) // 2].isoformat(), world.leaves[int(competency[group])]
        rows += [[students.id[one], day, leaf.identifier, "locked"] for one in often]
    return rows


def _absences(world: World, work: Work, rng: np.random.Generator) -> Rows:
    """One row a pupil and day absent, while enrolled."""
    day, pupil = np.nonzero(~work.present)
    enrolled = day >= world.students.join_day[pupil]
    codes = np.where(rng.random(len(day)) < 0.7, "excused", "unexcused")
    return [
        [world.students.id[p], "", world.dates.days[d], "absent", 1, "days", code]
        for d, p, code, is_in in zip(day.tolist(), pupil.tolist(), codes.tolist(), enrolled.tolist(), strict=True)
        if is_in
    ]
