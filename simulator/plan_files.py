"""The pilots' plans, as the central office would have written them before the year."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from simulator.framework import SUBJECTS
from simulator.outcomes import ASSESSMENT, window_dates
from simulator.pilot_design import PilotTruth
from simulator.rollout_facts import ADULT_LEARNING
from simulator.world import GRADES, World

SMALLEST_EFFECT = 0.10


class _Plain(yaml.SafeDumper):
    """No anchors: a date that occurs twice is written twice, as a person would."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def plan(world: World, pilot: PilotTruth) -> dict[str, Any]:
    """One plan; see ``schemas/pilots/plan.schema.json`` for what each key means."""
    subject, days = SUBJECTS[pilot.subject], world.dates.days
    fall, winter = window_dates(world, "fall"), window_dates(world, "winter")

    def measure(window: str, dates: tuple[Any, Any]) -> dict[str, Any]:
        return {
            "assessment": ASSESSMENT,
            "window": window,
            "measure": "overall",
            "from_date": dates[0],
            "to_date": dates[1],
        }

    assignment: dict[str, Any] = {
        "method": "random",
        "seed": pilot.assignment_seed,
        "assigned_on": days[0] - timedelta(days=14),
    }
    if pilot.is_blocked:
        assignment["blocks"] = [[world.school_ids[s] for s in pilot.pool if s % 2 == band] for band in (0, 1)]
    return {
        "pilot_id": pilot.pilot_id,
        "title": pilot.kind.title,
        "owner": "Central office, learning and teaching",
        "vision": pilot.kind.vision,
        "gap": {"what": pilot.kind.gap, "causes": list(pilot.kind.causes)},
        "partners": [{"name": pilot.kind.partner, "brings": "licences, and a coach for the first weeks"}],
        "barriers": [
            {
                "kind": pilot.kind.barrier[0],
                "what": pilot.kind.barrier[1],
                "owner": "Central office, operations",
                "opened_on": days[0] - timedelta(days=14),
            }
        ],
        "hypothesis": {
            "change": pilot.kind.change,
            "who": f"pupils of {len(pilot.treated)} schools in grades 3 to 8",
            "measure": f"the {ASSESSMENT} overall score in {subject}",
            "direction": "rise",
            "amount": f"by {SMALLEST_EFFECT:.2f} standard deviations or more",
            "by": winter[1],
            "because": pilot.kind.reason,
        },
        "analysis": {
            "wwc_version": "5.0",
            "subject": subject,
            "grades": [str(grade) for band in GRADES for grade in band],
            "score_type": "scale",
            "assignment": assignment,
            "arms": {
                "treatment": [world.school_ids[s] for s in pilot.treated],
                "comparison": [world.school_ids[s] for s in pilot.comparison],
            },
            "baseline": measure("fall", fall),
            "outcome": measure("winter", winter) | {"is_made_by_the_tool": False},
            "smallest_effect_that_matters_sd": SMALLEST_EFFECT,
            "prior": {"effect_sd": 0.20, "icc": 0.20, "r2": 0.70},
            "minimum_outcome_coverage_share": 0.80,
            "attrition_boundary": "cautious",
        },
        "implementation": {
            "starts_on": days[pilot.first_day],
            "ends_on": days[pilot.last_day],
            "dosage_minutes_planned": round(pilot.planned_minutes),
            "milestones": [{"name": name, "due_date": due} for name, due in pilot.milestones],
            "adult_learning": [
                {"role": role, "competencies": list(competencies)} for role, competencies in ADULT_LEARNING.items()
            ],
            "on_monday": list(pilot.kind.on_monday),
            "practice": [{"from_date": days[pilot.first_day], "what": "as planned"}],
        },
    }


def write_plans(world: World, pilots: list[PilotTruth], out: Path) -> None:
    """``pilots/<pilot_id>.yaml``."""
    for pilot in pilots:
        path = out / "pilots" / f"{pilot.pilot_id}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump(plan(world, pilot), Dumper=_Plain, sort_keys=False, width=110), encoding="utf-8")
