"""Charts of the scorecard as SVG (Vega-Lite and vl-convert, no browser), made once a release and pilot.

Each returns SVG text without scripts or style attributes, to be put into the page beside a table of the same numbers.
"""

from __future__ import annotations

from typing import Any

from answers import wording
from answers.card_health import schools_counted
from answers.scorecard_parts import main_estimate
from cairn.vega import FONT, INK
from pilots.decision import FORMATIVE_BELOW
from portal.card_charts import dosage_chart, groups_chart
from portal.svg import AMBER, ARMS, BLUE, LABELS, ROOM, WIDTH, as_svg, effect_reach, effect_x, line_at, names_y

# Most schools of an arm that are drawn one by one.
MARKS = 22


def effect_chart(card: dict[str, Any]) -> str | None:
    """Estimates in standard deviations with their intervals, on one scale for all cards; None where none may be drawn.

    A scale of its own for each card would draw a wide interval as long as a narrow one. The scale reaches at least
    ``REACH_SD`` to both sides; what has no bounds is a broken line from edge to edge.
    """
    first = main_estimate(card)
    if first is None:
        return None
    unit, rows = first.get("unit"), []
    shown = [one for one in card["estimates"] if one.get("unit") == unit and one.get("value") is not None]
    shown = [one for one in shown if one is first or one.get("low") is not None]
    reach = effect_reach(one[key] for one in shown for key in ("low", "value", "high") if one.get(key))
    for one in shown:
        is_open = one.get("low") is None
        # What stands in brackets is in the table beside; here it would be cut off or leave the picture no room.
        label = str(one.get("label") or one["name"]).replace("_", " ").split(" (")[0]
        ends = (-reach, reach) if is_open else (one["low"], one["high"])
        rows.append({"name": label, "value": one["value"], "low": ends[0], "high": ends[1], "is_open": is_open})
    low, name = effect_x(reach, wording.unit(unit)), names_y(LABELS)
    dash = {"condition": {"test": "datum.is_open", "value": [6, 5]}, "value": [1, 0]}
    interval = {
        "data": {"values": rows},
        "mark": {"type": "rule", "strokeWidth": 3, "color": BLUE},
        "encoding": {"y": name, "x": low, "x2": {"field": "high"}, "strokeDash": dash},
    }
    point = {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 110, "color": BLUE, "opacity": 1},
        "encoding": {"y": name, "x": {"field": "value", "type": "quantitative"}},
    }
    layers = [*line_at(0.0, "no difference", INK, [4, 4], "right"), interval, point]
    if (enough := card["planned"]["smallest_effect_sd"]) is not None:
        layers[:0] = line_at(enough, f"enough: {enough:.2f}", AMBER, [2, 3], "left")
    size = {"width": WIDTH - LABELS, "height": max(60, 38 * len(rows))}
    return as_svg({"layer": layers, "padding": ROOM} | size)


def waves_chart(card: dict[str, Any]) -> str | None:
    """The effect by windows since schools started, with its interval where there is one; before the start hollow.

    None where the pilot is not in waves, or where no effect may be drawn.
    """
    study = [one for one in (card["waves"] or {}).get("event_study") or [] if one["effect_sd"] is not None]
    if not study or main_estimate(card) is None:
        return None
    rows = [
        {"at": one["windows_since_start"], "is_before": one["windows_since_start"] < 0}
        | {"value": one["effect_sd"], "low": one["low"], "high": one["high"]}
        for one in study
    ]
    title = "Windows since the start (0: the first with the change)"
    at = {"field": "at", "type": "ordinal", "title": title, "axis": {"labelAngle": 0, "ticks": False, "domain": False}}
    y = {"field": "value", "type": "quantitative", "title": "Effect (SD)", "scale": {"nice": True}}
    zero = {
        "data": {"values": [{"value": 0.0}]},
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": INK},
        "encoding": {"y": y},
    }
    bounded = {
        "data": {"values": [row for row in rows if row["low"] is not None and row["high"] is not None]},
        "mark": {"type": "rule", "strokeWidth": 3, "color": BLUE},
        "encoding": {"x": at, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    point = {
        "data": {"values": rows},
        "mark": {"type": "point", "size": 110, "color": BLUE, "strokeWidth": 2, "opacity": 1},
        "encoding": {
            "x": at,
            "y": y,
            "fill": {"condition": {"test": "datum.is_before", "value": "#ffffff"}, "value": BLUE},
        },
    }
    return as_svg({"layer": [zero, bounded, point], "padding": ROOM, "width": WIDTH - 80, "height": 150})


def counted_chart(card: dict[str, Any]) -> str | None:
    """One mark for each school of an arm, up to ``MARKS``; places left empty where an arm has under six.

    So that three schools do not look like twenty. None where no school was counted.
    """
    counted = schools_counted(card)
    if counted is None:
        return None
    marks = []
    for row, (arm, count) in enumerate(zip(ARMS, counted[:2], strict=True)):
        y, (colour, _) = 14 + 28 * row, ARMS[arm]
        name = "with the change" if arm == "treatment" else "without"
        marks.append(f'<text x="0" y="{y + 5}" fill="{INK}">{name}</text>')
        for place in range(min(MARKS, max(count, FORMATIVE_BELOW))):
            fill, style = (colour, "") if place < count else ("none", ' stroke-dasharray="2 2"')
            x = 122 + 14 * place
            shape = (
                f'<circle cx="{x}" cy="{y}" r="5"'
                if arm == "treatment"
                else f'<path d="M{x} {y - 6}L{x + 6} {y}L{x} {y + 6}L{x - 6} {y}Z"'
            )
            marks.append(f'{shape} fill="{fill}" stroke="{colour}" stroke-width="1.5"{style}/>')
        told = (
            f"{'… ' if count > MARKS else ''}{count}"
            if count >= FORMATIVE_BELOW
            else f"{count} of the {FORMATIVE_BELOW} needed"
        )
        end = 122 + 14 * min(MARKS, max(count, FORMATIVE_BELOW))
        marks.append(f'<text x="{end}" y="{y + 5}" fill="{INK}">{told}</text>')
    return (
        f'<svg aria-hidden="true" focusable="false" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 58"'
        f' width="{WIDTH}" height="58" font-family="{FONT}" font-size="13">{"".join(marks)}</svg>'
    )


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
        axis = {"tickCount": 6}
        return {"field": field, "type": "quantitative", "title": f"Mean score {field}", "scale": scale, "axis": axis}

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


def drawn(card: dict[str, Any]) -> dict[str, str | None]:
    """All charts of a presented card."""
    return {
        "effect": effect_chart(card),
        "counted": counted_chart(card),
        "schools": schools_chart(card),
        "waves": waves_chart(card),
        "dosage": dosage_chart(card),
        "groups": groups_chart(card),
    }


class ChartCache:
    """Charts by evaluation release, publication and pilot: a second of work once, then none. Oldest go first."""

    KEPT = 64

    def __init__(self) -> None:
        self._made: dict[tuple[str, str | None, str], dict[str, str | None]] = {}

    def charts(self, release_id: str, publication_id: str | None, card: dict[str, Any]) -> dict[str, str | None]:
        """The scorecard's charts by name (:func:`drawn`)."""
        key = (release_id, publication_id, str(card["pilot_id"]))
        if key not in self._made:
            self._made[key] = drawn(card)
            while len(self._made) > self.KEPT:
                self._made.pop(next(iter(self._made)))
        return self._made[key]
