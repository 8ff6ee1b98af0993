"""What all charts of the portal share: size, colours and shapes of the arms, a named line, and the SVG of the page.

Colours hold 3:1 against white; arms differ in shape as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from html import escape, unescape
from typing import Any

from cairn import vega

WIDTH, LABELS = 440, 140
BLUE, AMBER = "#14566b", "#a4580c"
# Around a chart with names at its side: the page's own font may be wider than the one that was measured here.
ROOM = {"left": 24, "right": 12, "top": 5, "bottom": 5}
ARMS = {"treatment": (BLUE, "circle"), "comparison": (AMBER, "diamond")}
# Half the width of the effect's scale in SD: most effects in education are under .3, most intervals under .6.
REACH_SD = 0.6
# What stands in a text of an SVG, but for what is as somebody wrote it.
TEXT = re.compile(r">([^<>]+)</text>")
# What Vega says of each mark to those who cannot see it, in English.
VEGA_ROLES = re.compile(r' (?:aria-label|aria-roledescription|role)="[^"]*"')


def as_svg(spec: dict[str, Any], names: Collection[str] = ()) -> str:
    """A chart (Vega-Lite) as SVG text, scaling with the page; ``names`` in it stay :func:`as_written`."""
    # The page gives the description; inside, nothing is to be read twice.
    quiet = VEGA_ROLES.sub("", vega.drawn(spec))
    drawn = TEXT.sub(lambda found: _kept(found, names), quiet) if names else quiet
    return drawn.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _kept(found: re.Match[str], names: Collection[str]) -> str:
    text = unescape(found[1])
    return f">{as_written(text)}</text>" if text in names else found[0]


def as_written(text: str) -> str:
    """A text of a chart that stays as it is in every language: somebody's name, or told already where it was drawn."""
    return f"<tspan>{escape(text)}</tspan>"


def effect_reach(values: Iterable[float]) -> float:
    """How far a chart of effects reaches to both sides: :data:`REACH_SD`, or up to the next tenth what is farther."""
    return math.ceil(max([REACH_SD, *(abs(value) for value in values)]) * 10 - 1e-9) / 10


def effect_x(reach: float, unit: str) -> dict[str, Any]:
    """The field ``low`` of a chart of effects that reaches ``reach`` to both sides: marked at every half, so that cards
    compare and no two labels meet."""
    halves = int(2 * reach)
    return {
        "field": "low",
        "type": "quantitative",
        "title": f"Difference of arms ({unit}, right is better)",
        "scale": {"domain": [-reach, reach], "nice": False},
        "axis": {"values": [half / 2 for half in range(-halves, halves + 1)], "grid": False},
    }


def names_y(limit: int) -> dict[str, Any]:
    """The field ``name`` at a chart's side, in the order of its rows, in ``limit`` pixels."""
    return {
        "field": "name",
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": {"labelLimit": limit, "ticks": False, "domain": False},
    }


def line_at(at: float, label: str, colour: str, dash: list[int], side: str, field: str = "at") -> list[dict[str, Any]]:
    """A line across the chart at a value, its name above it; ``side`` is how that is aligned: where there is room.

    ``field`` is that of the axis it shares with the other layers.
    """
    values = {"values": [{field: at, "label": label}]}
    x = {"field": field, "type": "quantitative"}
    text = {"type": "text", "align": side, "dx": -4 if side == "right" else 4, "y": -8, "fontSize": 12, "color": colour}
    return [
        {"data": values, "mark": {"type": "rule", "strokeDash": dash, "color": colour}, "encoding": {"x": x}},
        {"data": values, "mark": text, "encoding": {"x": x, "text": {"field": "label"}}},
    ]
