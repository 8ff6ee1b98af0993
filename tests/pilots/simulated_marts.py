"""The pilot marts, straight from the simulated world: what the platform should arrive at, in no time."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from pilots.plan import Plan
from simulator.outcomes import simulate_outcomes
from simulator.pilot_design import design_pilots
from simulator.plan_files import plan as plan_of
from simulator.pupil_work import simulate_work
from simulator.world import NEVER, build_world

Marts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def simulated_pilots(
    seed: int, schools: int = 24, students: int = 1500, days: int = 60
) -> dict[str, tuple[Plan, Marts]]:
    """Plan and (mart_pilot_pupil, mart_pilot_school, mart_rollout_school) of both pilots in 24 schools."""
    world = build_world(24, 1500, 60, seed)
    pilots = design_pilots(world, seed)
    outcomes = simulate_outcomes(world, simulate_work(world, pilots, seed), pilots, seed)
    s, found = world.students, {}
    for pilot in pilots:
        plan = Plan(json.loads(json.dumps(plan_of(world, pilot), default=str)))
        pupils = pd.DataFrame(
            {
                "pilot_id": plan.pilot_id,
                "plan_hash": plan.plan_hash,
                "wave": 1,
                "school_id": np.array(world.school_ids)[s.school],
                "student_key": [f"k{i}" for i in range(len(s))],
                "grade": [f"{grade:02d}" for grade in s.grade],
                "baseline_score": outcomes.score[0, pilot.subject],
                "outcome_score": outcomes.score[1, pilot.subject],
                "is_joiner": s.join_day > 0,
                "has_moved_school": s.move_day < NEVER,
                "dosage_minutes": pilot.dose * pilot.planned_minutes,
            }
        )
        pupils = pupils[pupils.school_id.isin(list(plan.arms))].reset_index(drop=True)
        pupils["arm"] = pupils.school_id.map(plan.arms)
        found[plan.pilot_id] = (plan, (pupils, *_schools(plan, pupils)))
    return found


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
