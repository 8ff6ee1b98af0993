"""Charts as SVG text by Vega-Lite and vl-convert, without a browser, in the look that all of ours have."""

from __future__ import annotations

from collections.abc import Mapping

import vl_convert

INK = "#1d2420"
FONT = "Helvetica, Arial, sans-serif"
VEGA_LITE = "https://vega.github.io/schema/vega-lite/v6.json"
_TEXT = {"labelFontSize": 13, "titleFontSize": 13}
CONFIG = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {**_TEXT, "titleFontWeight": "normal", "labelColor": INK, "titleColor": INK},
    "legend": {**_TEXT, "orient": "top", "symbolSize": 90},
}


def drawn(spec: Mapping[str, object]) -> str:
    """A chart's SVG text."""
    return str(vl_convert.vegalite_to_svg({"$schema": VEGA_LITE, "config": CONFIG, **spec}))
