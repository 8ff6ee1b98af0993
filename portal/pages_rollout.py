"""Rollout: are the pilots reaching whom they should, as planned, at what cost? Pictures first, tables after."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from answers import wording
from answers.accounts import Account
from answers.pilot_answers import load_rollout, load_rollout_parts, load_scorecards
from answers.pinned_releases import Opened
from portal.pages_overview import protect
from portal.rollout_charts import UNITS, course_chart, dosage_chart
from portal.web import guarded, portal_of, render

# Scope of the metrics over all pilots (pilots.rollout).
DISTRICT = "district"
# What a rollout is asked about and no file of the district tells: said once, and how it would come to be told.
NOT_MEASURED = (
    (
        "What adults have learned, by the competencies of their role",
        "no file tells it; facts of the type training need a layout (schemas/district/layouts) and a mart of them",
    ),
    (
        "Readiness of schools",
        "no file tells it; a layout of facts of the type survey loads it, and so far guardrails alone read surveys",
    ),
    (
        "Support given, such as visits and hours of coaching",
        "no file tells it and no type of fact is for it; what coaching cost is among the costs",
    ),
    ("Reach by groups other than the grade", "the roster that is loaded names no other group of pupils"),
)
NO_CLASSROOM_SHARE = (
    "Share of the cost that reaches classrooms",
    "write classroom or central into the column Code of the costs file and load it: 'cairn facts load PATH --layout"
    " cairn_costs'",
)


@guarded("central_office", "engineer")
def rollout_page(request: Request, account: Account) -> Response:
    """Every pilot: how far it has come, by picture; what is late and in the way; its schools wave by wave."""
    portal = portal_of(request)
    pinned = portal.reader.pin()
    n_min = portal.n_min()
    pilots = pilots_of(pinned.evaluation, n_min)
    has_codes = any(pilot["classroom_share"] is not None for pilot in pilots)
    context = {
        "title": "Rollout",
        "pilots": pilots,
        "not_measured": NOT_MEASURED if has_codes else (*NOT_MEASURED, NO_CLASSROOM_SHARE),
        "n_min": n_min,
    }
    return render(request, "rollout.html", context, pinned=pinned)


def pilots_of(release: Opened | None, n_min: int) -> list[dict[str, Any]]:
    """What the page shows of each pilot, all of them together last; small schools without their pupils' numbers."""
    if release is None:
        return []
    metrics, schools = load_rollout(release)
    parts = load_rollout_parts(release)
    for row in schools:
        row["is_small"] = (row["pupils_planned"] or 0) < n_min
        row["reached"] = protect(row["pupils_reached"] or 0, n_min)
    cards = {card["pilot_id"]: card for card in load_scorecards(release)}
    found = {row["pilot_id"] for row in [*metrics, *schools] if row["pilot_id"]}
    shown = []
    for pilot_id in sorted(found, key=lambda pilot_id: (pilot_id == DISTRICT, pilot_id)):
        card = cards.get(pilot_id, {})
        own = {part: [row for row in rows if row["pilot_id"] == pilot_id] for part, rows in parts.items()}
        own["forecast"].sort(key=lambda row: UNITS.index(row["unit"]))
        planned = (card.get("did_it_happen") or {}).get("planned_minutes")
        title = "All pilots together" if pilot_id == DISTRICT else card.get("title") or pilot_id
        of_schools = [row for row in schools if row["pilot_id"] == pilot_id]
        shown.append(
            own
            | {
                "pilot_id": pilot_id,
                "is_pilot": pilot_id != DISTRICT,
                "title": title,
                "metrics": [row for row in metrics if row["pilot_id"] == pilot_id],
                "schools": of_schools,
                "now": _now(own["course"], release.data_date),
                "charts": _charts(
                    release.release_id,
                    release.data_date,
                    tuple(_frozen(row) for row in own["course"]),
                    tuple(_frozen(row) for row in of_schools if not row["is_small"]),
                    planned,
                ),
                "planned_minutes": planned,
                "classroom_share": _classroom_share(own["costs"]),
            }
        )
    return shown


def _now(course: list[dict[str, Any]], data_date: date) -> list[str]:
    """What the picture of the course shows at the data date, a sentence a unit."""
    said = []
    for unit in UNITS:
        rows = [row for row in course if row["unit"] == unit]
        if rows and rows[-1]["planned"]:
            by_now = [row for row in rows if row["on_date"] <= data_date]
            begun, reached = (by_now[-1]["planned"], by_now[-1]["reached"]) if by_now else (0, 0)
            said.append(
                f"{reached:,} of {wording.plural(rows[-1]['planned'], 'planned ' + _one(unit), 'planned ' + unit)}"
                f" reached, {begun:,} were to be by now"
            )
    return said


def _one(unit: str) -> str:
    return {"schools": "school", "classes": "class", "pupils": "pupil"}[unit]


def _classroom_share(costs: list[dict[str, Any]]) -> float | None:
    """Of the costs of which the district says where they go, the share that reaches classrooms; None where of none."""
    classroom, central = (sum(row[name] or 0.0 for row in costs) for name in ("classroom_usd", "central_usd"))
    return classroom / (classroom + central) if classroom + central > 0 else None


def _frozen(row: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(row.items())


@lru_cache(maxsize=64)
def _charts(
    release_id: str,
    data_date: date,
    course: tuple[tuple[tuple[str, Any], ...], ...],
    schools: tuple[tuple[tuple[str, Any], ...], ...],
    planned_minutes: float | None,
) -> dict[str, str | None]:
    """Both pictures of a pilot, made once a release: drawing takes longer than the page may."""
    return {
        "course": course_chart([dict(row) for row in course], data_date),
        "dosage": dosage_chart([dict(row) for row in schools], planned_minutes),
    }
