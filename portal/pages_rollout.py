"""Rollout: are the pilots reaching whom they should, as planned, at what cost? Pictures first, tables after."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from answers import wording
from answers.accounts import Account
from answers.metrics import metrics as metrics_by_name
from answers.metrics import title as title_of
from answers.pilot_answers import load_rollout, load_rollout_parts, load_scorecards
from answers.pinned_releases import Opened
from answers.published_numbers import Numbers, Row, text
from answers.school_trust import Age
from cairn.language import gettext, noted
from cairn.protection.rules import Rules
from pilots.rollout import classroom_share, why_empty
from portal.as_of import asked_day, numbers_of
from portal.kept_pages import render_kept
from portal.rollout_charts import UNITS
from portal.rollout_pictures import Told, pictures
from portal.web import guarded, portal_of

# Metrics of pupils, by the name that the published table has for them.
PUBLISHED = {
    "pupils_planned": "pupils_planned",
    "pupils_reached_share": "pupils_reached",
    "dosage_minutes_mean": "dosage_minutes_mean",
    "dosage_met_share": "dosage_met",
    "cost_per_pupil_usd": "cost_per_pupil_usd",
}
# Scope of the metrics over all pilots (pilots.rollout).
DISTRICT = "district"
NOT_TRIED = noted("{rows} of {kind} of schools in which the pilot is not tried: not counted")
NO_BARRIER = noted("{rows} of {kind} of a name that no barrier of the plan has: not counted")
TOO_MANY_SHOWN = noted("{what}: {schools} that more have shown it than are to learn it; not counted")


@guarded("central_office", "engineer")
def rollout_page(request: Request, account: Account) -> Response:
    """Every pilot: how far it has come, by picture; what is late and in the way; its schools wave by wave."""
    portal = portal_of(request)
    pinned, numbers, day = portal.reader.pin(), numbers_of(request), asked_day(request)

    def context(_: Age | None, rules: Rules) -> dict[str, Any]:
        return {"pilots": pilots_of(pinned.evaluation, numbers, rules, day), "text": text, "n_min": rules.n_min}

    return render_kept(request, "rollout.html", gettext("Rollout"), pinned, numbers, (), context)


def pilots_of(
    release: Opened | None, numbers: Numbers, rules: Rules, until: date | None = None
) -> list[dict[str, Any]]:
    """What the page shows of each pilot, all of them together last: of pupils the published numbers and no other.

    ``until``: the day on which the course by date ends, the release's own if absent.
    """
    if release is None:
        return []
    metrics, schools = load_rollout(release)
    parts = load_rollout_parts(release)
    for row in schools:
        row["told"] = numbers.at_school(row["pilot_id"], row["school_id"])
    cards = {card["pilot_id"]: card for card in load_scorecards(release)}
    found = {row["pilot_id"] for row in [*metrics, *schools] if row["pilot_id"]}
    shown = []
    for pilot_id in sorted(found, key=lambda pilot_id: (pilot_id == DISTRICT, pilot_id)):
        card = cards.get(pilot_id, {})
        own = {part: [row for row in rows if row["pilot_id"] == pilot_id] for part, rows in parts.items()}
        own["forecast"].sort(key=lambda row: UNITS.index(row["unit"]))
        planned = (card.get("did_it_happen") or {}).get("planned_minutes")
        title = gettext("All pilots together") if pilot_id == DISTRICT else card.get("title") or pilot_id
        of_schools = [row for row in schools if row["pilot_id"] == pilot_id]
        said = [row for row in metrics if row["pilot_id"] == pilot_id]
        figures = {row["name"]: row["value"] for row in said}
        published = numbers.pilot(pilot_id)
        own["groups"] = [
            {"grouping_name": grouping, "group_name": group, "told": row}
            for _, grouping, group, row in numbers.groups(pilot_id)
        ]
        last = min(until or release.data_date, release.data_date)
        told = Told(release.release_id, last, own, of_schools, planned, rules, published)
        sent = {row["fact_type"]: row for row in own["sent"]}
        shown.append(
            own
            | {
                "pilot_id": pilot_id,
                "is_pilot": pilot_id != DISTRICT,
                "title": title,
                "figures": _figures(figures, published),
                "unknown": _unknown(figures, sent),
                "schools": of_schools,
                "pictures": pictures(told) if pilot_id != DISTRICT else [],
                "notes": _notes(own),
                "late_by_owner": _late_by_owner(own["late"]),
                "classroom_share": classroom_share(own["costs"]),
            }
        )
    return shown


def _figures(values: dict[str, float | None], published: Row) -> list[tuple[str, str]]:
    """(title, number) of a pilot's metrics in the order of their definitions: published ones of pupils, and what counts
    none; those that are not known left out."""
    found = []
    for name, metric in metrics_by_name().items():
        if metric.protection not in ("none", "adults"):
            if (cell := published.get(PUBLISHED.get(name, ""))) is not None:
                found.append((metric.title, cell.text))
        elif values.get(name) is not None:
            found.append((metric.title, metric.text(values[name])))
    return found


def _unknown(figures: dict[str, float | None], sent: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The names of figures without a value by the reason for it."""
    found: dict[str, list[str]] = {}
    for name, value in figures.items():
        if value is None:
            why = why_empty(name, sent, figures.get("barriers_open"))
            found.setdefault(why, []).append(title_of(name))
    return found


def _notes(own: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What was sent and counts nowhere, a sentence each."""
    found = []
    for row in (row for row in own["sent"] if row["facts_elsewhere"]):
        rows = wording.plural(row["facts_elsewhere"], "row", "rows")
        said = NO_BARRIER if row["fact_type"] == "barrier" else NOT_TRIED
        found.append(gettext(said).format(rows=rows, kind=wording.retold(wording.plain(row["fact_type"])).lower()))
    for row in own["learning"]:
        what = f"{wording.retold(wording.plain(row['adult_role']))}, {row['competency']}"
        if not row["is_planned"]:
            found.append(gettext("{what}: was sent, and the plan does not name it").format(what=what))
        if row["schools_contradicting"]:
            schools = wording.plural(row["schools_contradicting"], "school says", "schools say")
            found.append(gettext(TOO_MANY_SHOWN).format(what=what, schools=schools))
    return found


def _late_by_owner(late: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each owner's late milestones, the one with most first: how many, still open, and the longest."""
    owners: dict[str, list[dict[str, Any]]] = {}
    for row in late:
        owners.setdefault(row["owner"] or "–", []).append(row)
    found = [
        {
            "owner": owner,
            "late": len(rows),
            "open": sum(row["status"] == "overdue" for row in rows),
            "days": max((row["days_late"] or 0 for row in rows), default=0),
        }
        for owner, rows in owners.items()
    ]
    return sorted(found, key=lambda row: (-row["late"], row["owner"]))
