"""Plans and marts of made-up pilots: as many schools, blocks, waves, grades and effects as a test asks for."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cairn.settings import REPOSITORY
from pilots.plan import Plan
from pilots.plan_yaml import read_yaml

EXAMPLE = REPOSITORY / "schemas" / "district" / "pilots" / "fraction-studio.yaml"
AFTER, BEFORE = "2026-11-10", "2026-09-01"
NO_MARTS = (
    pd.DataFrame({"school_id": [], "school_name": [], "cost_usd": [], "pupils_assigned": []}),
    pd.DataFrame({"milestones_planned": [], "milestones_done": [], "milestones_late": []}),
)


def made_plan(
    treated: Sequence[str],
    comparison: Sequence[str],
    *,
    is_random: bool = True,
    blocks: Sequence[Sequence[str]] = (),
    waves: Mapping[str, int] | None = None,
    **analysis: Any,
) -> Plan:
    """The example's plan with these schools; ``analysis`` replaces keys of its analysis part."""
    raw, _ = read_yaml(EXAMPLE)
    raw = copy.deepcopy(raw)
    part = raw["analysis"]
    part["arms"] = {"treatment": list(treated), "comparison": list(comparison)}
    part["assignment"] = {"method": "random", "seed": 7} if is_random else {"method": "volunteers"}
    if blocks:
        part["assignment"]["blocks"] = [list(block) for block in blocks]
    if waves:
        part["waves"] = dict(waves)
    part.pop("grades", None)
    part |= analysis
    return Plan(raw)


def made_pupils(
    rng: np.random.Generator,
    plan: Plan,
    *,
    effect: float = 0.0,
    pupils: int = 20,
    school_sd: float = 0.2,
    apart: float = 0.0,
    grades: Sequence[int] = (3, 4, 5),
    points_a_grade: float = 0.0,
) -> pd.DataFrame:
    """``mart_pilot_pupil``: scores of SD 10 within grade, ``effect`` and the arms' distance ``apart`` at the start in
    SD; a grade scores ``points_a_grade`` more than the one below it."""
    schools = list(plan.arms)
    school = np.repeat(np.arange(len(schools)), pupils)
    is_treated = np.array([plan.arms[one] == "treatment" for one in schools])[school]
    grade = np.tile(np.array(grades), len(school) // len(grades) + 1)[: len(school)]
    ability = rng.normal(0, 0.85, len(school)) + rng.normal(0, school_sd, len(schools))[school] + apart * is_treated
    level = 200 + points_a_grade * grade
    growth = rng.normal(0, school_sd / 2, len(schools))[school] + effect * is_treated
    return pd.DataFrame(
        {
            "pilot_id": plan.pilot_id,
            "plan_hash": plan.plan_hash,
            "arm": np.where(is_treated, "treatment", "comparison"),
            "wave": 1,
            "school_id": np.array(schools)[school],
            "student_key": [f"k{i}" for i in range(len(school))],
            "grade": [f"{one:02d}" for one in grade],
            "baseline_score": level + 10 * (ability + rng.normal(0, 0.5, len(school))),
            "outcome_score": level + 5 + 10 * (ability + growth + rng.normal(0, 0.5, len(school))),
            "is_joiner": False,
            "has_moved_school": False,
            "dosage_minutes": np.where(is_treated, 500.0, 0.0),
        }
    )


def rollout_of(plan: Plan, pupils: pd.DataFrame) -> pd.DataFrame:
    """``mart_rollout_school`` of a pilot whose minutes were sent: a row for each treated school."""
    minutes = pupils[pupils.arm == "treatment"].groupby("school_id").dosage_minutes
    planned = float(plan.implementation["dosage_minutes_planned"])
    frame = pd.DataFrame(
        {
            "pupils_planned": minutes.size(),
            "pupils_reached": minutes.agg(lambda each: int((each > 0).sum())),
            "dosage_minutes_mean": minutes.mean(),
            "dosage_met_share": minutes.agg(lambda each: float((each >= planned).mean())),
        }
    ).reset_index()
    nothing = ("milestones_planned", "milestones_done", "milestones_late", "cost_usd")
    return frame.assign(pilot_id=plan.pilot_id, **dict.fromkeys(nothing, float("nan")))


def names(count: int, prefix: str) -> list[str]:
    """School ids."""
    return [f"{prefix}{number:02d}" for number in range(count)]


def random_design(rng: np.random.Generator) -> tuple[Plan, pd.DataFrame]:
    """A pilot of six to fourteen schools an arm: at random or not, in unequal blocks, in waves, small and large."""
    treated, comparison = (names(int(rng.integers(6, 15)), arm) for arm in "tc")
    everybody = list(rng.permutation([*treated, *comparison]))
    blocks, waves = (), None
    if rng.random() < 0.5:
        cut = int(rng.integers(2, len(everybody) - 2))
        parts = (everybody[:cut], everybody[cut:])
        arms = [{one[0] for one in part} for part in parts]
        blocks = parts if all(arm == {"t", "c"} for arm in arms) else ()
    if rng.random() < 0.3:
        waves = {school: 1 + number % 2 for number, school in enumerate(everybody)}
    plan = made_plan(treated, comparison, is_random=bool(rng.random() < 0.7), blocks=blocks, waves=waves)
    frame = made_pupils(
        rng,
        plan,
        effect=float(rng.normal(0, 0.3)),
        pupils=int(rng.integers(12, 18)),
        school_sd=float(rng.uniform(0.02, 0.5)),
        apart=float(rng.normal(0, 0.1)),
        points_a_grade=float(rng.choice([0.0, 6.0])),
    )
    thinned = frame[rng.random(len(frame)) < rng.uniform(0.85, 1.0)]
    return plan, thinned.reset_index(drop=True)
