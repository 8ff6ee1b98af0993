"""Charts of the scorecard as SVG (Vega-Lite and vl-convert, no browser), made once a release and pilot.

Each returns SVG text without scripts or style attributes, to be put into the page beside a table of the same numbers.
Colours hold 3:1 against white; arms differ in shape as well.
"""

from __future__ import annotations

from typing import Any

import vl_convert

from answers import wording
from answers.scorecard_parts import main_estimate

WIDTH, LABELS = 460, 190
INK, BLUE = "#1d2420", "#14566b"
ARMS = {"treatment": (BLUE, "circle"), "comparison": ("#a4580c", "diamond")}
FONT = "Helvetica, Arial, sans-serif"
VEGA_LITE = "https://vega.github.io/schema/vega-lite/v6.json"


def as_svg(spec: dict[str, Any]) -> str:
    """A chart (Vega-Lite) as SVG text, scaling with the page."""
    text = {"labelFontSize": 13, "titleFontSize": 13}
    config = {
        "font": FONT,
        "view": {"stroke": None},
        "axis": {**text, "titleFontWeight": "normal", "labelColor": INK, "titleColor": INK},
        "legend": {**text, "orient": "top", "symbolSize": 90},
    }
    svg = str(vl_convert.vegalite_to_svg({"$schema": VEGA_LITE, "config": config, **spec}))
    # The page gives the description; inside, nothing is to be read twice.
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def effect_chart(card: dict[str, Any]) -> str | None:
    """Estimates in standard deviations with their intervals around no effect; None where there are none."""
    first = main_estimate(card)
    if first is None:
        return None
    unit = first.get("unit")
    rows = [
        {
            "name": str(one.get("label") or one["name"]).replace("_", " "),
            **{k: one[k] for k in ("value", "low", "high")},
        }
        for one in card["estimates"]
        if one.get("low") is not None and one.get("value") is not None and one.get("unit") == unit
    ]
    low = {
        "field": "low",
        "type": "quantitative",
        "title": f"Difference between arms ({wording.unit(unit)})",
        "scale": {"zero": True, "nice": True},
    }
    name = {
        "field": "name",
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": {"labelLimit": LABELS, "ticks": False, "domain": False},
    }
    zero = {
        "data": {"values": [{"zero": 0}]},
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": INK},
        "encoding": {"x": {"field": "zero", "type": "quantitative"}},
    }
    interval = {
        "data": {"values": rows},
        "mark": {"type": "rule", "strokeWidth": 3, "color": BLUE},
        "encoding": {"y": name, "x": low, "x2": {"field": "high"}},
    }
    point = {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 110, "color": BLUE, "opacity": 1},
        "encoding": {"y": name, "x": {"field": "value", "type": "quantitative"}},
    }
    return as_svg({"layer": [zero, interval, point], "width": WIDTH - LABELS, "height": max(60, 38 * len(rows))})


def schools_chart(card: dict[str, Any]) -> str | None:
    """Each school's mean before and after, by arm; None where fewer than two schools may be shown."""
    rows = [
        {"arm": school["arm"], "before": school["mean_baseline"], "after": school["mean_outcome"]}
        for school in card["schools"]
        if school.get("mean_baseline") is not None and school.get("mean_outcome") is not None
    ]
    if len(rows) < 2:
        return None
    colours, shapes = ([arm[part] for arm in ARMS.values()] for part in (0, 1))

    def mean(field: str) -> dict[str, Any]:
        scale = {"zero": False, "padding": 14}
        return {"field": field, "type": "quantitative", "title": f"Mean score {field}", "scale": scale}

    def by_arm(shown: list[str]) -> dict[str, Any]:
        return {"field": "arm", "type": "nominal", "title": None, "scale": {"domain": list(ARMS), "range": shown}}

    return as_svg(
        {
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "size": 120, "opacity": 0.95},
            "encoding": {"x": mean("before"), "y": mean("after"), "color": by_arm(colours), "shape": by_arm(shapes)},
            "width": WIDTH - 80,
            "height": 230,
        }
    )


class ChartCache:
    """Charts by evaluation release and pilot: a second of work once, then none. Oldest go first."""

    KEPT = 64

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], dict[str, str | None]] = {}

    def charts(self, release_id: str, card: dict[str, Any]) -> dict[str, str | None]:
        """The scorecard's charts: ``effect`` and ``schools``."""
        key = (release_id, str(card["pilot_id"]))
        if key not in self._made:
            self._made[key] = {"effect": effect_chart(card), "schools": schools_chart(card)}
            while len(self._made) > self.KEPT:
                self._made.pop(next(iter(self._made)))
        return self._made[key]
