"""What the rule says of simulated districts' pilots: ``python -m benchmarks.simulated_pilots [--pilots 6]``.

Each seed is a district as ``cairn simulate district`` makes it, 200 of them where not told otherwise. Its pilots are
judged by the product's own evaluation on the rows that the marts should hold of it, worked out here from the simulated
world, in no time. Prints how often each word was said of each pilot, and how often the interval held the true effect.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cli.simulate import draw_as_assign
from pilots.evaluate import evaluate
from pilots.plan import Plan
from simulator.outcomes import Outcomes, simulate_outcomes
from simulator.pilot_design import PilotTruth, design_pilots, need_room
from simulator.pilot_kinds import FIRST_TWO, SCHOOLS_OF_SIX, SIX, VOLUNTEERS_AHEAD_SD, volunteering_schools
from simulator.plan_files import plan as plan_of
from simulator.pupil_work import simulate_work
from simulator.world import NEVER, World, build_world

Marts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@dataclass(frozen=True)
class Simulated:
    """A pilot of a simulated district: plan, (mart_pilot_pupil, mart_pilot_school, mart_rollout_school), scores of the
    windows between (empty where there are none), and the true effect."""

    plan: Plan
    marts: Marts
    windows: pd.DataFrame
    effect_sd: float


@dataclass
class Said:
    """What was said of one pilot over districts."""

    effect_sd: float
    decisions: Counter[str] = field(default_factory=Counter)
    intervals: int = 0
    holds: int = 0
    effects: list[float] = field(default_factory=list)


def simulated(
    seed: int, schools: int, students: int, days: int, pilots: int = len(FIRST_TWO), activity: float = 1.0
) -> dict[str, Simulated]:
    """The pilots of one district by id."""
    need_room(pilots, schools, days)
    ahead = dict.fromkeys(volunteering_schools(pilots), VOLUNTEERS_AHEAD_SD)
    world = build_world(schools, students, days, seed, ahead=ahead)
    truths = design_pilots(world, seed, pilots, draw_as_assign)
    work = simulate_work(world, truths, seed, activity=activity)
    outcomes = simulate_outcomes(world, work, truths, seed)
    return {truth.pilot_id: _simulated(world, truth, outcomes) for truth in truths}


def _simulated(world: World, pilot: PilotTruth, outcomes: Outcomes) -> Simulated:
    s = world.students
    plan = Plan(json.loads(json.dumps(plan_of(world, pilot), default=str)))
    keys = np.array([f"k{i}" for i in range(len(s))])
    # Rapid guesses are no scores.
    score = np.where(outcomes.is_rapid, np.nan, outcomes.score)[:, pilot.subject]
    pupils = pd.DataFrame(
        {
            "pilot_id": plan.pilot_id,
            "plan_hash": plan.plan_hash,
            "wave": np.array([max(1, pilot.wave.get(school, 1)) for school in s.school.tolist()]),
            "school_id": np.array(world.school_ids)[s.school],
            "student_key": keys,
            "grade": [f"{grade:02d}" for grade in s.grade],
            "baseline_score": score[0],
            "outcome_score": score[-1],
            "is_joiner": s.join_day > 0,
            "has_moved_school": s.move_day < NEVER,
            "dosage_minutes": pilot.dose * pilot.planned_minutes,
        }
    )
    pupils = pupils[pupils.school_id.isin(list(plan.arms))].reset_index(drop=True)
    pupils["arm"] = pupils.school_id.map(plan.arms)
    between = [
        pd.DataFrame(
            {
                "pilot_id": plan.pilot_id,
                "window_number": number,
                "student_key": keys,
                "from_date": world.dates.days[window.first].isoformat(),
                "score": score[number - 1],
                "is_only_outside": False,
            }
        )
        for number, window in enumerate(outcomes.windows, start=1)
        if window.plan_name == "other" and len(pilot.wave_days) > 1
    ]
    windows = pd.concat(between) if between else pd.DataFrame()
    return Simulated(plan, (pupils, *_schools(plan, pupils)), windows, pilot.effect_sd)


def _schools(plan: Plan, pupils: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    planned = float(plan.implementation["dosage_minutes_planned"])
    counted = pupils[~pupils.is_joiner]
    by_school = counted.groupby("school_id")
    schools = pd.DataFrame({"school_id": list(plan.arms), "arm": list(plan.arms.values()), "wave": 1})
    schools["pilot_id"], schools["school_name"] = plan.pilot_id, "School of " + schools.school_id
    schools["pupils_assigned"] = schools.school_id.map((~pupils.is_joiner).groupby(pupils.school_id).sum())
    schools["dosage_minutes_mean"] = schools.school_id.map(by_school.dosage_minutes.mean())
    met = (counted.dosage_minutes >= planned).groupby(counted.school_id).mean()
    schools["dosage_met_share"] = schools.school_id.map(met)
    schools["cost_usd"] = np.where(schools.arm == "treatment", 4_000.0, 0.0)
    rollout = schools[schools.arm == "treatment"].assign(
        pupils_planned=lambda f: f.pupils_assigned,
        pupils_reached=lambda f: f.pupils_assigned,
        milestones_planned=3,
        milestones_done=2,
        milestones_late=1,
    )
    return schools, rollout.reset_index(drop=True)


def card_of(pilot: Simulated) -> dict[str, object]:
    """The scorecard on the day after the outcome window."""
    windows = pilot.windows if len(pilot.windows) else None
    return evaluate(pilot.plan, *pilot.marts, "learning-1", "2027-06-01", windows=windows)


def _of_seed(arguments: tuple[int, int, int, int, int, float]) -> list[tuple[str, float, str, dict[str, float | None]]]:
    found = []
    for name, pilot in simulated(*arguments).items():
        card = card_of(pilot)
        effects = [one for one in card["estimates"] if one["name"] == "hedges_g"]  # type: ignore[attr-defined]
        found.append((name, pilot.effect_sd, str(card["recommendation"]), effects[0] if effects else {}))
    return found


def count(
    seeds: Sequence[int], schools: int, students: int, days: int, pilots: int, activity: float
) -> dict[str, Said]:
    """What was said of each pilot, by id, over these seeds; two districts at a time."""
    found: dict[str, Said] = {}
    with ProcessPoolExecutor(2) as pool:
        jobs = [(seed, schools, students, days, pilots, activity) for seed in seeds]
        for rows in pool.map(_of_seed, jobs):
            for name, effect, decision, told in rows:
                said = found.setdefault(name, Said(effect))
                said.decisions[decision] += 1
                value, low, high = told.get("value"), told.get("low"), told.get("high")
                said.effects += [value] if value is not None else []
                if low is not None and high is not None:
                    said.intervals += 1
                    said.holds += low <= effect <= high
    return found


def main(arguments: Sequence[str]) -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="districts")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--pilots", type=int, choices=(len(FIRST_TWO), len(SIX)), default=len(FIRST_TWO))
    parser.add_argument("--schools", type=int, help="24 for two pilots, 82 for six")
    parser.add_argument("--students", type=int, help="1,500 for two pilots, 30 a school for six")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--activity", type=float, default=1.0)
    given = parser.parse_args(arguments)
    schools = given.schools or (24 if given.pilots == len(FIRST_TWO) else sum(SCHOOLS_OF_SIX))
    students = given.students or (1_500 if given.pilots == len(FIRST_TWO) else 30 * schools)
    seeds = range(given.first_seed, given.first_seed + given.runs)
    found = count(seeds, schools, students, given.days, given.pilots, given.activity)
    print(f"{given.runs} districts of {schools} schools, {students} pupils, {given.days} days, seeds from {seeds[0]}")
    for name, said in found.items():
        words = ", ".join(f"{word} {times}" for word, times in said.decisions.most_common())
        shown = f"; estimates {np.mean(said.effects):+.3f} with SD {np.std(said.effects):.3f}" if said.effects else ""
        held = f"; the interval held it in {said.holds} of {said.intervals}" if said.intervals else ""
        print(f"{name} (true effect {said.effect_sd:+.2f} SD): {words}{shown}{held}")


if __name__ == "__main__":
    main(sys.argv[1:])
