"""The pilots' plans, as the central office would have written them before the year."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from simulator.framework import SUBJECTS
from simulator.outcomes import ASSESSMENT, RELIABILITY, Window, windows_of
from simulator.pilot_design import PilotTruth
from simulator.pilot_kinds import VOLUNTEERS
from simulator.rollout_facts import ADULT_LEARNING
from simulator.world import GRADES, SOURCES, World

SMALLEST_EFFECT = 0.10
# Most minutes that one completed session counts: three days of twelve minutes, and half as much again.
MINUTES_PER_EVENT_MAX = 90


class _Plain(yaml.SafeDumper):
    """No anchors: a date that occurs twice is written twice, as a person would."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def plan(world: World, pilot: PilotTruth) -> dict[str, Any]:
    """One plan; see ``schemas/pilots/plan.schema.json`` for what each key means."""
    subject, days = SUBJECTS[pilot.subject], world.dates.days
    fall, *between, winter = windows_of(world, [pilot])
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
            "by": days[winter.last],
            "because": pilot.kind.reason,
        },
        "analysis": {
            "wwc_version": "5.0",
            "subject": subject,
            "grades": [str(grade) for band in GRADES for grade in band],
            "score_type": "scale",
            "assignment": _assignment(world, pilot),
            "arms": {
                "treatment": [world.school_ids[s] for s in pilot.treated],
                "comparison": [world.school_ids[s] for s in pilot.comparison],
            },
            **_waves(world, pilot, between),
            "baseline": _measure(world, fall) | {"reliability": RELIABILITY},
            "outcome": _measure(world, winter) | {"is_made_by_the_tool": False},
            "smallest_effect_that_matters_sd": SMALLEST_EFFECT,
            "prior": {"effect_sd": 0.20, "icc": 0.20, "r2": 0.70},
            "minimum_outcome_coverage_share": 0.80,
            "attrition_boundary": "cautious",
        },
        "implementation": {
            "starts_on": days[pilot.first_day],
            "ends_on": days[pilot.last_day],
            "dosage_minutes_planned": round(pilot.planned_minutes),
            "dosage": _dosage(world, pilot),
            "milestones": [{"name": name, "due_date": due} for name, due in pilot.milestones],
            "adult_learning": [
                {"role": role, "competencies": list(competencies)} for role, competencies in ADULT_LEARNING.items()
            ],
            "on_monday": list(pilot.kind.on_monday),
            "practice": [{"from_date": days[pilot.first_day], "what": "as planned"}],
        },
    }


def _measure(world: World, window: Window) -> dict[str, Any]:
    return {
        "assessment": ASSESSMENT,
        "window": window.plan_name,
        "measure": "overall",
        "from_date": world.dates.days[window.first],
        "to_date": world.dates.days[window.last],
    }


def _assignment(world: World, pilot: PilotTruth) -> dict[str, Any]:
    assigned_on = world.dates.days[0] - timedelta(days=14)
    if pilot.kind.design == VOLUNTEERS:
        return {"method": "volunteers", "assigned_on": assigned_on}
    found: dict[str, Any] = {"method": "random", "seed": pilot.assignment_seed, "assigned_on": assigned_on}
    if pilot.is_blocked:
        found["blocks"] = [[world.school_ids[s] for s in block] for block in pilot.blocks]
    return found


def _waves(world: World, pilot: PilotTruth, between: list[Window]) -> dict[str, Any]:
    """Which school starts when, and the windows that tell it; nothing where all start at once."""
    if len(pilot.wave_days) == 1:
        return {}
    return {
        "waves": {world.school_ids[s]: pilot.wave[s] for s in pilot.treated},
        "wave_starts": [world.dates.days[day] for day in pilot.wave_days],
        "between": [_measure(world, window) for window in between],
    }


def _dosage(world: World, pilot: PilotTruth) -> dict[str, Any]:
    """The time of sessions that the apps of the treated schools send as completed."""
    sources = set(world.source(np.array(pilot.treated), pilot.subject).tolist())
    return {
        "sources": [SOURCES[source].source_id for source in sorted(sources)],
        "activity_types": ["completion"],
        "counts": "minutes",
        "minutes_per_event_max": MINUTES_PER_EVENT_MAX,
    }


def write_plans(world: World, pilots: list[PilotTruth], out: Path) -> None:
    """``pilots/<pilot_id>.yaml``."""
    for pilot in pilots:
        path = out / "pilots" / f"{pilot.pilot_id}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump(plan(world, pilot), Dumper=_Plain, sort_keys=False, width=110), encoding="utf-8")
