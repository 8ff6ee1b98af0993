"""Charts of a scorecard beside its effect: how much time each school got, and the effect in the planned groups.

As :mod:`portal.charts`: SVG without scripts, made of the protected card, with a text of the same numbers beside.
"""

from __future__ import annotations

from typing import Any

from cairn.vega import INK
from portal.svg import AMBER, ARMS, LABELS, ROOM, WIDTH, as_svg, effect_reach, effect_x, line_at, names_y

ARM_NAMES = {"treatment": "with the change", "comparison": "without"}


def dosage_chart(card: dict[str, Any]) -> str | None:
    """Each school's mean minutes as a mark in its arm's row, the planned minutes as a line; None where no school may be
    shown or nobody has a minute."""
    rows = [
        {"arm": ARM_NAMES[school["arm"]], "minutes": school["mean_minutes"]}
        for school in card["schools"]
        if school.get("mean_minutes") is not None
    ]
    if not any(row["minutes"] > 0 for row in rows):
        return None
    planned = card["did_it_happen"]["planned_minutes"]
    most = max([row["minutes"] for row in rows] + ([planned] if planned else [])) * 1.06
    names = list(ARM_NAMES.values())
    colours, shapes = ([arm[part] for arm in ARMS.values()] for part in (0, 1))
    x = {
        "field": "minutes",
        "type": "quantitative",
        "title": "Minutes a pupil, mean of each school",
        "scale": {"domain": [-0.02 * most, most], "nice": False},
        "axis": {"tickCount": 5, "grid": False},
    }
    y = {
        "field": "arm",
        "type": "nominal",
        "title": None,
        "sort": names,
        "axis": {"labelLimit": LABELS, "ticks": False, "domain": False},
    }
    marks = {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 0.6},
        "encoding": {
            "x": x,
            "y": y,
            "color": {"field": "arm", "type": "nominal", "legend": None, "scale": {"domain": names, "range": colours}},
            "shape": {"field": "arm", "type": "nominal", "legend": None, "scale": {"domain": names, "range": shapes}},
        },
    }
    layers = [marks]
    if planned:
        side = "right" if planned > most / 2 else "left"
        layers[:0] = line_at(planned, f"planned: {planned:,.0f}", AMBER, [5, 4], side, "minutes")
    return as_svg({"layer": layers, "padding": ROOM, "width": WIDTH - LABELS, "height": 76})


def groups_chart(card: dict[str, Any]) -> str | None:
    """The pooled effect in each planned group with its 95 % interval, on the scale of all cards; None where fewer than
    two groups may be told of."""
    rows = [
        {"name": one["group"], "value": one["effect_sd"], "low": one["low"], "high": one["high"]}
        for one in card["for_whom"]["groups"]
        if one["effect_sd"] is not None
    ]
    if len(rows) < 2:
        return None
    colour = ARMS["treatment"][0]
    x = effect_x(effect_reach(row[key] for row in rows for key in ("low", "high")), "SD")
    y = names_y(LABELS + 20)
    interval = {
        "data": {"values": rows},
        "mark": {"type": "rule", "strokeWidth": 2, "color": colour},
        "encoding": {"y": y, "x": x, "x2": {"field": "high"}},
    }
    point = {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 70, "color": colour, "opacity": 1},
        "encoding": {"y": y, "x": {"field": "value", "type": "quantitative"}},
    }
    layers = [*line_at(0.0, "no difference", INK, [4, 4], "right", "low"), interval, point]
    size = {"width": WIDTH - LABELS - 20, "height": max(60, 26 * len(rows))}
    return as_svg({"layer": layers, "padding": ROOM} | size)
