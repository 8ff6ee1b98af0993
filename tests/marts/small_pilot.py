"""The small district's pilot: its frozen plan, arms, test results and facts as lake tables."""

from __future__ import annotations

import json
from typing import Any

from cairn.settings import Settings
from tests.marts.small_roster import ALPHA, KNOWN, PLAN_HASH, day, known, put


def _measure(window: str, first: str, last: str) -> dict[str, Any]:
    return {"assessment": "Interim", "window": window, "measure": "overall", "from_date": first, "to_date": last}


def pilot(settings: Settings) -> None:
    """One plan: North treated, South compared; assigned before the year, so the pupils are those of its first day."""
    plan = {
        "pilot_id": "pilot-1",
        "title": "One pilot",
        "owner": "Central office",
        "hypothesis": {
            "change": "use the tool",
            "who": "pupils of one school",
            "measure": "the Interim overall score",
            "direction": "rise",
            "amount": "by 0.10 standard deviations",
            "by": "2026-10-12",
            "because": "practice helps",
        },
        "analysis": {
            "wwc_version": "5.0",
            "assignment": {"method": "random", "seed": 1, "assigned_on": "2026-08-03"},
            "arms": {"treatment": ["s-north"], "comparison": ["s-south"]},
            "baseline": _measure("fall", "2026-09-01", "2026-09-10"),
            "between": [_measure("other", "2026-09-20", "2026-09-24") | {"make_up_days": 1}],
            "outcome": {**_measure("winter", "2026-10-05", "2026-10-12"), "is_made_by_the_tool": False},
            "smallest_effect_that_matters_sd": 0.1,
            "prior": {"effect_sd": 0.2, "icc": 0.2, "r2": 0.7},
            "minimum_outcome_coverage_share": 0.8,
            "attrition_boundary": "cautious",
        },
        "implementation": {
            "starts_on": "2026-08-17",
            "ends_on": "2026-10-12",
            "dosage_minutes_planned": 60,
            # Of p1 three attempts lie in the pilot's days and three after; the tool's file tells 80 minutes and counts.
            "dosage": {
                "sources": ["mathapp", "quiet"],
                "activity_types": ["attempt"],
                "competencies": [ALPHA],
                "counts": "attempts",
                "minutes_each": 2.5,
                "counted": "files",
            },
            "milestones": [{"name": "train", "due_date": "2026-09-01", "owner": "Technology"}],
            "adult_learning": [{"role": "teacher", "competencies": ["run a group", "read the page"]}],
            "practice": [{"from_date": "2026-08-17", "what": "as planned"}],
        },
    }
    put(
        settings,
        "gold.pilot_plan",
        [
            {
                "pilot_id": "pilot-1",
                "plan_hash": PLAN_HASH,
                "title": "One pilot",
                "plan_json": json.dumps(plan),
                "frozen_at": KNOWN,
            }
        ],
    )
    put(
        settings,
        "gold.pilot_arm",
        [
            {"pilot_id": "pilot-1", "school_id": school, "plan_hash": PLAN_HASH, "arm": arm, "wave": 1}
            for school, arm in (("s-north", "treatment"), ("s-south", "comparison"))
        ],
    )
    scores = [
        *(("p1", "fall", 200.0), ("p2", "fall", 210.0), ("p1", "winter", 220.0), ("p4", "fall", 205.0)),
        # p1's is a make-up; p2's comes a day too late.
        *(("p1", "other", 212.0), ("p2", "other", 214.0)),
    ]
    taken = {"fall": "09-05", "winter": "10-10", "other": "09-25"}
    put(
        settings,
        "silver.assessment_result",
        [
            known(
                result_id=f"{pupil}{window}",
                student_key=pupil,
                layout="cairn_interim",
                assessment="Interim",
                subject="mathematics",
                window_name=window,
                taken_date=day("09-26" if (pupil, window) == ("p2", "other") else taken[window]),
                measure="overall",
                scale_score=score,
            )
            for pupil, window, score in scores
        ],
    )
    facts: list[dict[str, Any]] = [
        {"fact_type": "dosage", "student_key": "p1", "fact_date": day("10-01"), "name": "minutes", "value": 80.0},
        {"fact_type": "cost", "school_id": "s-north", "fact_date": day("09-01"), "name": "licence", "value": 120.0},
        {
            "fact_type": "milestone",
            "school_id": "s-north",
            "fact_date": day("09-01"),
            "name": "train",
            "text_value": "open",
        },
        {
            "fact_type": "action",
            "student_key": "p3",
            "fact_date": day("10-11"),
            "name": ALPHA,
            "text_value": "small_group",
        },
    ]
    put(settings, "silver.fact", [known(fact_id=f"f{n}", pilot_id="pilot-1", **fact) for n, fact in enumerate(facts)])
