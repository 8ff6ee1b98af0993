"""What all charts of the portal share: size, colours and shapes of the arms, a named line, and the SVG of the page.

Colours hold 3:1 against white; arms differ in shape as well.
"""

from __future__ import annotations

from typing import Any

from cairn import vega

WIDTH, LABELS = 440, 140
BLUE, AMBER = "#14566b", "#a4580c"
# Around a chart with names at its side: the page's own font may be wider than the one that was measured here.
ROOM = {"left": 24, "right": 12, "top": 5, "bottom": 5}
ARMS = {"treatment": (BLUE, "circle"), "comparison": (AMBER, "diamond")}
# Half the width of the effect's scale in SD: most effects in education are under .3, most intervals under .6.
REACH_SD = 0.6


def as_svg(spec: dict[str, Any]) -> str:
    """A chart (Vega-Lite) as SVG text, scaling with the page."""
    # The page gives the description; inside, nothing is to be read twice.
    return vega.drawn(spec).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


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
