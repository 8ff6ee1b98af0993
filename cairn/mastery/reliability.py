"""The reliability plot as SVG: of responses that were given a chance of about x, how many were right?"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from cairn.errors import CairnError
from cairn.mastery.accuracy import CALIBRATION_BINS
from cairn.mastery.bkt import FloatArray

SIDE, LEFT, TOP, BOTTOM = 360, 64, 48, 60
BAR_HEIGHT = 40


@dataclass(frozen=True)
class Bin:
    """Responses whose chance fell into one of the equal-width bins."""

    predicted: float
    right: float
    responses: int


def reliability(correct: FloatArray, predicted: FloatArray, bins: int = CALIBRATION_BINS) -> list[Bin]:
    """Mean chance, share right and size of each bin that has responses."""
    place = np.minimum((predicted * bins).astype(np.int64), bins - 1)
    size = np.bincount(place, minlength=bins)
    chance = np.bincount(place, weights=predicted, minlength=bins)
    right = np.bincount(place, weights=correct, minlength=bins)
    return [Bin(chance[i] / size[i], right[i] / size[i], int(size[i])) for i in range(bins) if size[i]]


def write_plot(path: Path, title: str, bins: list[Bin]) -> None:
    """Write the plot. Raises CairnError where the file cannot be written."""
    try:
        path.write_text(plot(title, bins), encoding="utf-8")
    except OSError as error:
        raise CairnError(f"{path}: the plot cannot be written ({error.strerror}): name another file") from error


def plot(title: str, bins: list[Bin]) -> str:
    """The SVG: predicted against actual share right, the diagonal, and bars of how many responses lie where."""
    width, height = LEFT + SIDE + 24, TOP + SIDE + BAR_HEIGHT + BOTTOM
    most = max((one.responses for one in bins), default=1)
    base = TOP + SIDE + BAR_HEIGHT + 8
    marks = []
    for tenth in range(0, 11, 2):
        share = tenth / 10
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + SIDE}" y1="{_y(share)}" y2="{_y(share)}"/>')
        marks.append(f'<text x="{LEFT - 8}" y="{_y(share) + 4}" text-anchor="end">{tenth * 10} %</text>')
        marks.append(f'<text x="{_x(share)}" y="{base + 18}" text-anchor="middle">{tenth * 10} %</text>')
    for one in bins:
        tall = max(1.0, BAR_HEIGHT * one.responses / most)
        told = f"{one.responses} responses given {one.predicted:.1%}: {one.right:.1%} right"
        bar = f'<rect class="bar" x="{_x(one.predicted) - 10}" y="{base - tall:.1f}" width="20" height="{tall:.1f}"/>'
        dot = f'<circle cx="{_x(one.predicted)}" cy="{_y(one.right)}" r="5"/>'
        marks.append(f"<g>{bar}{dot}<title>{told}</title></g>")
    line = " ".join(f"{_x(one.predicted)},{_y(one.right)}" for one in bins)
    middle = LEFT + SIDE / 2
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-size="12"
 font-family="sans-serif" fill="#24323a"><title>{escape(title)}</title>
<style>.grid{{stroke:#dfe3e5}}.even{{stroke:#7b878d;stroke-dasharray:4 4}}.bar{{fill:#d8d2c4}}circle{{fill:#155a70}}
polyline{{fill:none;stroke:#155a70;stroke-width:2}}</style>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{LEFT}" y="24" font-size="15" font-weight="bold">{escape(title)}</text>
<line class="even" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>
{chr(10).join(marks)}
<polyline points="{line}"/>
<text x="{middle}" y="{base + 42}" text-anchor="middle">Chance given beforehand (bars: how many responses)</text>
<text x="16" y="{TOP + SIDE / 2}" text-anchor="middle" transform="rotate(-90 16 {TOP + SIDE / 2})">Right</text>
</svg>
"""


def _x(share: float) -> float:
    return round(LEFT + SIDE * share, 1)


def _y(share: float) -> float:
    return round(TOP + SIDE * (1.0 - share), 1)
