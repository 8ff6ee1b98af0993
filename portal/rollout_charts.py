"""Charts of the rollout page: how far it has come by date against its plan, and the dosage of each school.

Plan and fact differ in dash and width as well as in colour. The page gives each a text of the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from cairn.vega import INK
from portal.svg import AMBER, BLUE, ROOM, as_svg

WIDTH, NAMES = 400, 150
KINDS = ("planned", "reached")
UNITS = ("schools", "classes", "pupils")


def course_chart(course: Sequence[Mapping[str, Any]], data_date: date) -> str | None:
    """Steps of the share of schools, classes and pupils planned and reached by date; None where nothing was planned.

    ``course`` has the pilot's rows of rollout_course. What was reached ends at the data date.
    """
    rows = [row for unit in UNITS for row in _shares([one for one in course if one["unit"] == unit], data_date)]
    if not rows:
        return None
    kind = {"field": "kind", "type": "nominal", "title": None}
    return as_svg(
        {
            "data": {"values": rows},
            "facet": {
                "row": {
                    "field": "unit",
                    "type": "nominal",
                    "sort": list(UNITS),
                    "title": None,
                    "header": {
                        "labelPadding": 40,
                        "labelFontSize": 13,
                        "labelAngle": 0,
                        "labelAlign": "left",
                        "labelColor": INK,
                    },
                }
            },
            "spec": {
                "mark": {"type": "line", "interpolate": "step-after"},
                "encoding": {
                    "x": {
                        "field": "day",
                        "type": "temporal",
                        "title": None,
                        "axis": {"format": "%-d %b", "tickCount": 4, "labelOverlap": True},
                    },
                    "y": {
                        "field": "share",
                        "type": "quantitative",
                        "title": None,
                        "scale": {"domain": [0, 1]},
                        "axis": {"format": ".0%", "tickCount": 3},
                    },
                    "color": kind | {"scale": {"domain": list(KINDS), "range": [AMBER, BLUE]}},
                    "strokeDash": kind | {"scale": {"domain": list(KINDS), "range": [[5, 4], [1, 0]]}},
                    "strokeWidth": kind | {"scale": {"domain": list(KINDS), "range": [2, 3]}},
                },
                "width": WIDTH - 120,
                "height": 74,
            },
        }
    )


def _shares(course: Sequence[Mapping[str, Any]], data_date: date) -> list[dict[str, Any]]:
    """Both lines of a unit as shares of all that is planned, from nothing on the first day to the last day known."""
    total = course[-1]["planned"] if course else 0
    if not total:
        return []
    last = max(data_date, course[-1]["on_date"])
    unit, found = course[0]["unit"], []
    for kind, end in (("planned", last), ("reached", data_date)):
        known = [row for row in course if row["on_date"] <= end]
        points = [(course[0]["on_date"], 0), *((row["on_date"], row[kind]) for row in known)]
        points.append((end, known[-1][kind] if known else 0))
        found += [{"unit": unit, "kind": kind, "day": day.isoformat(), "share": n / total} for day, n in points]
    return found


def dosage_chart(schools: Sequence[Mapping[str, Any]], planned_minutes: float | None) -> str | None:
    """Each school's mean minutes as a dot, the planned minutes as a dashed line; None where no school may be shown."""
    rows = [
        {"name": row["school_name"], "minutes": row["dosage_minutes_mean"]}
        for row in schools
        if row["dosage_minutes_mean"] is not None
    ]
    if not rows:
        return None
    x = {"field": "minutes", "type": "quantitative", "title": "Minutes a planned pupil, mean", "scale": {"zero": True}}
    name = {
        "field": "name",
        "type": "nominal",
        "title": None,
        "sort": "-x",
        "axis": {"labelLimit": NAMES, "ticks": False, "domain": False, "grid": True},
    }
    dots = {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 90, "color": BLUE, "opacity": 1},
        "encoding": {"y": name, "x": x},
    }
    plan = {
        "data": {"values": [{"minutes": planned_minutes}]},
        "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 2, "color": AMBER},
        "encoding": {"x": x},
    }
    layers = [dots, plan] if planned_minutes is not None else [dots]
    size = {"width": WIDTH - NAMES, "height": max(60, 22 * len(rows))}
    return as_svg({"layer": layers, "padding": ROOM} | size, names=[row["name"] for row in rows])
