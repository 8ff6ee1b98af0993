"""Two pilots of the fixture: frozen plans, and scorecards in the shape of ``pilots.evaluate``."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from cairn.settings import REPOSITORY, Settings
from pilots import registry
from pilots.plan import Plan
from pilots.plan_yaml import read_yaml

PILOTS = {"pilot-fractions": "SCALE", "pilot-reading": "STOP"}
EXAMPLE = REPOSITORY / "schemas" / "district" / "pilots" / "fraction-studio.yaml"


ROLLOUT_TABLES = {
    "rollout_course": "pilot_id varchar, unit varchar, on_date date, planned int, reached int",
    "rollout_forecast": "pilot_id varchar, unit varchar, code varchar, likely date, earliest date, latest date",
    "rollout_milestone": "pilot_id varchar, school_id varchar, school_name varchar, milestone varchar,"
    " owner varchar, due_date date, status varchar, days_late int",
    "rollout_cost": "pilot_id varchar, cost_kind varchar, cost_usd double, classroom_usd double, central_usd double",
    "rollout_group": "pilot_id varchar, grouping_name varchar, group_name varchar, pupils_planned int,"
    " pupils_reached int",
    "rollout_barrier": "pilot_id varchar, place int, barrier_kind varchar, what varchar, owner varchar,"
    " opened_date date, closed_date date, days_open int",
    "rollout_learning": "pilot_id varchar, adult_role varchar, competency varchar, is_planned boolean, schools int,"
    " schools_told int, schools_contradicting int, told_date date, is_hidden boolean, adults_to_learn int,"
    " adults_shown int",
    "rollout_readiness": "pilot_id varchar, school_id varchar, school_name varchar, on_date date, is_newest boolean,"
    " ready int, partly int, not_ready int",
    "rollout_readiness_item": "pilot_id varchar, item varchar, schools int, ready int, partly int, not_ready int",
    "rollout_support": "pilot_id varchar, school_id varchar, school_name varchar, support_kind varchar, visits int,"
    " hours double, last_date date",
    "rollout_sent": "pilot_id varchar, fact_type varchar, sent_by varchar, facts int, facts_elsewhere int,"
    " first_date date, last_date date",
}


def freeze_plans(settings: Settings) -> dict[str, str]:
    """Freeze a plan for each pilot; returns pilot -> plan hash."""
    raw, _ = read_yaml(EXAMPLE)
    assert isinstance(raw, dict)
    return {pilot_id: registry.freeze(settings, Plan(raw | {"pilot_id": pilot_id}))["plan_hash"] for pilot_id in PILOTS}


def rollout_parts(data_date: date) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the evaluation's rollout tables beside metrics and schools, of one pilot with two waves."""
    pilot, owner = "pilot-fractions", "Central office"
    birch, aspen = ("school-b", "Birch Hill Elementary"), ("school-a", "Aspen Grove Elementary")
    reviewed = "first cycle reviewed"
    start, second = data_date - timedelta(days=42), data_date - timedelta(days=14)
    courses = {
        "schools": [(start, 2, 0), (start + timedelta(days=4), 2, 2), (second, 3, 3)],
        "classes": [(start, 4, 0), (start + timedelta(days=4), 4, 3), (second, 6, 5)],
        "pupils": [(start, 64, 0), (start + timedelta(days=4), 64, 50), (second, 96, 77)],
    }
    likely = data_date + timedelta(days=20)
    return {
        "rollout_course": [(pilot, unit, *step) for unit, course in courses.items() for step in course],
        "rollout_forecast": [
            (pilot, "schools", "reached", None, None, None),
            (pilot, "classes", "too_few_dates", None, None, None),
            (pilot, "pupils", "projected", likely, data_date + timedelta(days=9), None),
        ],
        "rollout_milestone": [
            (
                pilot,
                *birch,
                reviewed,
                owner,
                second,
                "overdue",
                14,
            ),
            (pilot, *aspen, "teachers trained", owner, start, "done_late", 3),
            (
                pilot,
                "school-a",
                "Aspen Grove Elementary",
                "first cycle reviewed",
                "Central office",
                second,
                "done_on_time",
                None,
            ),
        ],
        "rollout_cost": [(pilot, "licences", 3000.0, 3000.0, 0.0), (pilot, "training", 1000.0, 0.0, 1000.0)],
        "rollout_group": [
            (pilot, "grade", "4", 48, 36),
            (pilot, "grade", "5", 48, None),
            (pilot, "grade", "6", None, None),
        ],
        "rollout_learning": [
            (pilot, "teacher", "run a group", True, 2, 2, 0, start, False, 14, 9),
            (pilot, "teacher", "read the page", True, 2, 0, 0, None, None, None, None),
            (pilot, "principal", "protect the time", True, 2, 2, 0, start, True, None, None),
            (pilot, "coach", "observe", False, 2, 1, 1, start, True, None, None),
        ],
        "rollout_readiness": [
            (pilot, *aspen, start, False, 1, 1, 2),
            (pilot, *aspen, second, True, 3, 1, 0),
        ],
        "rollout_readiness_item": [(pilot, "devices", 1, 1, 0, 0), (pilot, "timetable", 1, 0, 1, 0)],
        "rollout_support": [],
        "rollout_sent": [
            (pilot, "dosage", "files", 900, 0, start, data_date),
            (pilot, "cost", "files", 4, 1, start, start),
            (pilot, "milestone", "files", 3, 0, start, second),
            (pilot, "training", "files", 8, 0, start, start),
            (pilot, "readiness", "files", 8, 0, start, second),
            (pilot, "support", "files", 0, 0, None, None),
            (pilot, "pupil_group", "files", 0, 0, None, None),
        ],
        "rollout_barrier": [
            (pilot, 1, "scheduling", "a daily period of twelve minutes", "Operations", start, None, 42),
            (pilot, 2, "connectivity", "wireless in two wings", "Technology", start, second, 28),
        ],
    }


def scorecard(pilot_id: str, recommendation: str, plan_hash: str, release_id: str, data_date: str) -> dict[str, Any]:
    """A scorecard in the shape of ``pilots.evaluate``."""
    effect = 0.24 if recommendation == "SCALE" else 0.01
    return {
        "pilot_id": pilot_id,
        "title": "Fractions in small groups" if recommendation == "SCALE" else "Evening reading app",
        "hypothesis": "If we teach fractions in groups chosen by mastery for grades 4 and 5, then the winter interim"
        " score will rise by 0.10 SD by February, because gaps are met where they are.",
        "plan_hash": plan_hash,
        "release_id": release_id,
        "evaluated_at": "2026-10-15T08:10:00Z",
        "data_date": data_date,
        "recommendation": recommendation,
        "recommendation_text": "Scale: it works, and well enough to matter."
        if recommendation == "SCALE"
        else "Stop: a gain that matters is unlikely.",
        "why": [
            "Very confident that pupils gained at all.",
            "Fairly confident that pupils gained enough to matter (0.10 SD or more).",
        ],
        "how_sure": {
            "statements": [
                {"text": "pupils gained at all", "probability": 0.97, "words": "very confident"}
                | {"by_prior": {"plan": 0.98, "evidence": 0.97}},
                {"text": "pupils gained enough to matter (0.10 SD or more)", "probability": 0.83}
                | {"words": "fairly confident", "by_prior": {"plan": 0.83, "evidence": 0.86}},
            ],
            "why_no_chance": None,
            "sensitivity": [
                {"prior": "plan", "chance_gained": 0.98, "chance_gained_enough": 0.83},
                {"prior": "evidence", "chance_gained": 0.97, "chance_gained_enough": 0.86},
                {"prior": "flat", "chance_gained": 0.98, "chance_gained_enough": 0.88},
            ],
            "adjustments": [
                {"analysis": "as planned: school means, adjusted for the pretest", "effect_sd": effect},
                {
                    "analysis": "pretest corrected for its error (reliability 0.90 by the plan)",
                    "effect_sd": effect - 0.01,
                },
            ],
            "standardised_by": "SD of comparison pupils of the same grade, each term by itself",
            "df": 10.0,
            "smallest_p": 0.0022,
            "method": "exact permutation of schools over the draws that could have been made, and the interval that"
            " inverts it",
            "p_value": 0.0087,
            "schools_treatment": 6,
            "schools_comparison": 6,
        },
        "for_whom": {
            "pupils": 740,
            "schools": 12,
            "grades": ["4", "5"],
            "notes": ["14 pupils joined after the start; they are counted apart."],
        },
        "did_it_happen": {
            "dosage_met_share": 0.84,
            "planned_minutes": 600,
            "mean_minutes": 571.0,
            "milestones_planned": 24,
            "milestones_done": 22,
            "milestones_late": 2,
        },
        "cost": {
            "total_usd": 18400.0,
            "per_pupil_usd": 49.73,
            "notes": ["Unused licences are not known: no file of licences was loaded."],
        },
        "next": "Bring it to more schools in waves, with the same support, and keep measuring.",
        "estimates": [
            {
                "name": "hedges_g",
                "label": "Effect, adjusted",
                "value": effect,
                "low": effect - 0.14,
                "high": effect + 0.15,
                "unit": "sd",
            },
            {"name": "expected_effect", "label": "Expected effect (90 % interval)", "value": effect * 0.8}
            | {"low": effect * 0.8 - 0.11, "high": effect * 0.8 + 0.11, "unit": "sd"},
            {"name": "improvement_index", "label": "Improvement index", "value": 40 * effect, "low": None}
            | {"high": None, "unit": "percentile points"},
        ],
        "schools": [
            {
                "school_id": f"pilot-school-{index}",
                "school_name": f"School {index + 1}",
                "arm": "treatment" if index < 6 else "comparison",
                "pupils": 8 if index == 11 else 60 + index,
                "mean_baseline": 198.0 + index % 6,
                "mean_outcome": 205.0 + index % 6 + (3.1 if index < 6 else 0.0) * effect * 4,
            }
            for index in range(12)
        ],
        "rating": {
            "wwc_version": "5.0",
            "attrition": {"overall_share": 0.04, "differential_share": 0.01, "level": "low"},
            "baseline_g": 0.03,
            "rating": "meets_without_reservations",
            "essa_tier": 3,
            "reasons": ["schools were drawn at random and attrition is low, so equivalence is not asked for"],
        },
        "guardrails": [
            {
                "name": "attendance",
                "status": "safe",
                "sentence": "attendance: safe; -0.10 days absent in 30 against the comparison schools, where 1 the"
                " wrong way would be too much (chance of being worse by more than that 2%; attendance)",
            }
            | {"difference": -0.1, "margin": 1.0, "unit": "days absent in 30"}
        ],
        "warnings": [
            "A comparison of this size finds an effect of 0.31 SD in four of five cases and misses smaller ones more"
            " often; the plan calls 0.10 SD enough."
        ],
    }
