"""The love plot: how far apart the arms were in each covariate, before and after matching, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from cairn import vega
from cairn.vega import INK
from pilots.estimators.matched import Balance
from pilots.wwc import ALIKE, ALIKE_ADJUSTED

# Before and after differ in shape as well as in colour; both hold 3:1 against white.
STATES = {"before": ("#a4580c", "diamond"), "after": ("#14566b", "circle")}

Spec = dict[str, object]


def love_plot(balance: Sequence[Balance]) -> str:
    """SVG text: a row a covariate, with the WWC's .05 and .25 SD as lines on both sides of no difference."""
    values = [
        {"covariate": one.covariate, "state": state, "value": value}
        for one in balance
        for state, value in (("before", one.before), ("after", one.after))
    ]
    limits = [{"at": sign * width, "what": width} for width in (ALIKE, ALIKE_ADJUSTED) for sign in (-1, 1)]
    x: Spec = {"field": "value", "type": "quantitative", "title": "Treated minus comparison (standard deviations)"}
    lines: Spec = {
        "data": {"values": [{"at": 0, "what": 0}, *limits]},
        "mark": {"type": "rule", "color": INK},
        "encoding": {
            "x": {"field": "at", "type": "quantitative"},
            "strokeDash": {
                "field": "what",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": [0, ALIKE, ALIKE_ADJUSTED], "range": [[1, 0], [2, 3], [6, 4]]},
            },
        },
    }
    points: Spec = {
        "data": {"values": values},
        "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
        "encoding": {
            "x": x,
            "y": {"field": "covariate", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 220}},
            **{
                channel: {
                    "field": "state",
                    "type": "nominal",
                    "title": None,
                    "scale": {"domain": list(STATES), "range": [look[part] for look in STATES.values()]},
                }
                for part, channel in enumerate(("color", "shape"))
            },
        },
    }
    return vega.drawn(
        {
            "description": "How far apart the arms are in each covariate, before and after matching",
            "layer": [lines, points],
            "width": 420,
            "height": max(60, 34 * len(balance)),
        }
    )
