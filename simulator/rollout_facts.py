"""What a district sends of a rollout beside minutes and costs: adults' learning, readiness, support, groups of pupils.

With draws of its own, so that the other files stay as they were. Only of the first pilot support is sent: districts
forget.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulator.pilot_design import PilotTruth
from simulator.roster_files import write_csv
from simulator.world import World

BY_SCHOOL = ("SchoolId", "PilotId", "Date", "Name", "Value", "Unit", "Code")
# What the adults of each role are to learn; the plans say the same (simulator/plan_files.py).
ADULT_LEARNING: dict[str, tuple[str, ...]] = {
    "teacher": ("read the page of the class", "run a group that is stuck"),
    "coach": ("observe and give feedback",),
    "principal": ("protect the time in the timetable",),
}
ADULTS = {"teacher": (6, 12), "coach": (1, 3), "principal": (1, 2)}
READINESS = ("devices for every pupil", "time in the timetable", "teachers trained", "families told")
VISITS = ("coaching visit", "model lesson")
SAY_GROUP, ENGLISH_LEARNERS = "english_learner", 0.15

Rows = list[Sequence[Any]]


def write_rollout_facts(world: World, pilots: list[PilotTruth], folder: Path, seed: int) -> None:
    """``training``, ``readiness``, ``support`` and ``pupil_groups``, each with its header even where it has no rows."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 21]))
    write_csv(folder / "training.csv", BY_SCHOOL, [r for p in pilots for r in _training(world, p, rng)])
    answers = [r for p in pilots for r in _readiness(world, p, rng)]
    write_csv(folder / "readiness.csv", ("SchoolId", "PilotId", "Date", "Name", "Code"), answers)
    write_csv(folder / "support.csv", BY_SCHOOL, [r for p in pilots[:1] for r in _support(world, p, rng)])
    first = world.dates.days[0]
    is_learner = rng.random(len(world.students)) < ENGLISH_LEARNERS
    groups = [
        [pupil, first, SAY_GROUP, "yes" if one else "no"]
        for pupil, one in zip(world.students.id, is_learner, strict=True)
    ]
    write_csv(folder / "pupil_groups.csv", ("StudentId", "Date", "Name", "Code"), groups)


def _days(world: World, pilot: PilotTruth) -> tuple[Any, Any]:
    """The pilot's first day and the one in its middle."""
    return world.dates.days[pilot.first_day], world.dates.days[(pilot.first_day + pilot.last_day) // 2]


def _training(world: World, pilot: PilotTruth, rng: np.random.Generator) -> Rows:
    """On the first day a third of the adults have shown a competency, in the middle most have."""
    rows: Rows = []
    for school in pilot.treated:
        for role, competencies in ADULT_LEARNING.items():
            adults = int(rng.integers(*ADULTS[role]))
            for competency in competencies:
                key = [world.school_ids[school], pilot.pilot_id]
                start, middle = _days(world, pilot)
                shown = np.minimum(adults, np.cumsum(rng.binomial(adults, (0.33, 0.5))))
                rows.append([*key, start, competency, adults, "adults_to_learn", role])
                rows.append([*key, start, competency, int(shown[0]), "adults_shown", role])
                rows.append([*key, middle, competency, int(shown[1]), "adults_shown", role])
    return rows


def _readiness(world: World, pilot: PilotTruth, rng: np.random.Generator) -> Rows:
    """A checklist on the first day, and in the middle again for what was not ready; one school of six never answers."""
    rows: Rows = []
    for number, school in enumerate(pilot.treated):
        if number % 6 == 5:
            continue
        start, middle = _days(world, pilot)
        for item in READINESS:
            key = [world.school_ids[school], pilot.pilot_id]
            answer = ("ready", "partly", "not_ready")[int(rng.choice(3, p=(0.5, 0.3, 0.2)))]
            rows.append([*key, start, item, answer])
            if answer != "ready":
                rows.append([*key, middle, item, "ready" if rng.random() < 0.6 else "partly"])
    return rows


def _support(world: World, pilot: PilotTruth, rng: np.random.Generator) -> Rows:
    """A visit in some weeks: more to some schools than to others."""
    rows: Rows = []
    for school in pilot.treated:
        often = rng.uniform(0.3, 0.9)
        for day in range(pilot.first_day, pilot.last_day + 1, 5):
            if rng.random() < often:
                kind = VISITS[int(rng.random() < 0.3)]
                hours = float(rng.choice((1.0, 1.5, 2.0, 3.0)))
                rows.append(
                    [world.school_ids[school], pilot.pilot_id, world.dates.days[day], kind, hours, "hours", "coach"]
                )
    return rows
