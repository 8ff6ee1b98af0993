"""Rollout: are the pilots reaching whom they should, as planned, at what cost?"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from answers.accounts import Account
from answers.pilot_answers import load_rollout, load_scorecards
from portal.pages_overview import protect
from portal.web import guarded, portal_of, render

# Scope of the metrics over all pilots (pilots.rollout).
DISTRICT = "district"


@guarded("central_office", "engineer")
def rollout_page(request: Request, account: Account) -> Response:
    """Metrics over all schools of a pilot, and the schools wave by wave."""
    portal = portal_of(request)
    pinned = portal.reader.pin()
    metrics, schools = load_rollout(pinned.evaluation)
    n_min = portal.n_min()
    for row in schools:
        row["is_small"] = (row["pupils_planned"] or 0) < n_min
        row["reached"] = protect(row["pupils_reached"] or 0, n_min)
    titles = {DISTRICT: "All pilots together"} | {
        card["pilot_id"]: card.get("title") or card["pilot_id"] for card in load_scorecards(pinned.evaluation)
    }
    found = {row["pilot_id"] for row in [*metrics, *schools] if row["pilot_id"]}
    pilots = sorted(found, key=lambda pilot_id: (pilot_id == DISTRICT, pilot_id))
    context = {
        "title": "Rollout",
        "pilots": [
            {
                "pilot_id": pilot_id,
                "is_pilot": pilot_id != DISTRICT,
                "title": titles.get(pilot_id, pilot_id),
                "metrics": [row for row in metrics if row["pilot_id"] == pilot_id],
                "schools": [row for row in schools if row["pilot_id"] == pilot_id],
            }
            for pilot_id in pilots
        ],
        "n_min": n_min,
    }
    return render(request, "rollout.html", context, pinned=pinned)
