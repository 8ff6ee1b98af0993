"""The love plot: how far apart the arms were in each covariate, before and after matching, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

import vl_convert

from pilots.estimators.matched import NOT_EQUIVALENT, SATISFIED, Balance

VEGA_LITE = "https://vega.github.io/schema/vega-lite/v6.json"
INK = "#1d2420"
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
    limits = [{"at": sign * width, "what": width} for width in (SATISFIED, NOT_EQUIVALENT) for sign in (-1, 1)]
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
                "scale": {"domain": [0, SATISFIED, NOT_EQUIVALENT], "range": [[1, 0], [2, 3], [6, 4]]},
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
    text = {"labelFontSize": 13, "titleFontSize": 13, "labelColor": INK, "titleColor": INK}
    spec: Spec = {
        "$schema": VEGA_LITE,
        "description": "How far apart the arms are in each covariate, before and after matching",
        "config": {
            "font": "Helvetica, Arial, sans-serif",
            "view": {"stroke": None},
            "axis": {**text, "titleFontWeight": "normal"},
            "legend": {"labelFontSize": 13, "orient": "top", "symbolSize": 90},
        },
        "layer": [lines, points],
        "width": 420,
        "height": max(60, 34 * len(balance)),
    }
    return str(vl_convert.vegalite_to_svg(spec))
