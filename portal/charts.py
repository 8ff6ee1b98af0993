"""Charts of the scorecard as SVG (Altair and vl-convert, no browser), made once a release and pilot.

Each returns SVG text without scripts or style attributes, to be put into the page beside a table of the same numbers.
Colours hold 3:1 against white; arms differ in shape as well.
"""

from __future__ import annotations

from typing import Any

from portal import words
from portal.scorecards import main_estimate

WIDTH, LABELS = 460, 190
ARMS = {"treatment": ("#14566b", "circle"), "comparison": ("#a4580c", "diamond")}
FONT = "Helvetica, Arial, sans-serif"


def _svg(chart: Any) -> str:
    """A finished chart as SVG text, scaling with the page."""
    import vl_convert

    spec = (
        chart.configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=13, titleFontSize=13, titleFontWeight="normal", labelColor="#1d2420", titleColor="#1d2420"
        )
        .configure_legend(labelFontSize=13, titleFontSize=13, orient="top", symbolSize=90)
        .to_dict()
    )
    svg = str(vl_convert.vegalite_to_svg(spec))
    # The page gives the description; inside, nothing is to be read twice.
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def effect_chart(card: dict[str, Any]) -> str | None:
    """Estimates in standard deviations with their intervals around no effect; None where there are none."""
    import altair as alt

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
    data = alt.Data(values=rows)
    y = alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=LABELS, ticks=False, domain=False))
    title = f"Difference between arms ({words.unit(unit)})"
    interval = (
        alt.Chart(data)
        .mark_rule(strokeWidth=3, color="#14566b")
        .encode(y=y, x=alt.X("low:Q", title=title, scale=alt.Scale(zero=True, nice=True)), x2="high:Q")
    )
    point = alt.Chart(data).mark_point(filled=True, size=110, color="#14566b", opacity=1).encode(y=y, x="value:Q")
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 4], color="#1d2420").encode(x="zero:Q")
    return _svg((zero + interval + point).properties(width=WIDTH - LABELS, height=max(60, 38 * len(rows))))


def schools_chart(card: dict[str, Any]) -> str | None:
    """Each school's mean before and after, by arm; None where fewer than two schools may be shown."""
    import altair as alt

    rows = [
        {"arm": school["arm"], "before": school["mean_baseline"], "after": school["mean_outcome"]}
        for school in card["schools"]
        if school.get("mean_baseline") is not None and school.get("mean_outcome") is not None
    ]
    if len(rows) < 2:
        return None
    scale = {"domain": list(ARMS), "range": [colour for colour, _ in ARMS.values()]}
    shapes = alt.Scale(domain=list(ARMS), range=[shape for _, shape in ARMS.values()])
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_point(filled=True, size=120, opacity=0.95)
        .encode(
            x=alt.X("before:Q", title="Mean score before", scale=alt.Scale(zero=False, padding=14)),
            y=alt.Y("after:Q", title="Mean score after", scale=alt.Scale(zero=False, padding=14)),
            color=alt.Color("arm:N", title=None, scale=alt.Scale(**scale)),
            shape=alt.Shape("arm:N", title=None, scale=shapes),
        )
    )
    return _svg(chart.properties(width=WIDTH - 80, height=230))


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
