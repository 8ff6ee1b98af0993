"""Pictures of a design before launch as SVG: what it detects, what would be decided, how alike the arms are.

Without scripts or anything to fetch. Colours hold 3:1 against white; what a colour says, a word or a place says too.
Every mark has its numbers as a title.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cairn.pictures import AMBER, BLUE, GREY, INK, framed, write_text

STYLE = f"""<style>.grid{{stroke:#dfe3e5}}.wish{{stroke:{AMBER};stroke-dasharray:6 4;stroke-width:2}}
.line{{fill:none;stroke:{BLUE};stroke-width:2.5}}.other{{fill:none;stroke:{GREY};stroke-width:2.5;stroke-dasharray:2 3}}
.dot{{fill:{BLUE}}}.span{{stroke:{GREY};stroke-width:6;stroke-linecap:round}}.none{{stroke:{INK}}}</style>"""
# Of each decision: its colour, and the colour of the word on it.
DECISION_COLOURS = {
    "SCALE": (BLUE, "#ffffff"),
    "NEXT WAVE": ("#9cc7d6", INK),
    "ITERATE": ("#e3e6e8", INK),
    "CANNOT TELL": ("#c9cfd2", INK),
    "STOP": ("#e8b878", INK),
    "HARM": (AMBER, "#ffffff"),
}
WIDTH, LEFT, RIGHT, TOP = 640, 64, 16, 44


@dataclass(frozen=True)
class Line:
    """A line through (x, y) points, with its name; ``is_other`` draws it fainter."""

    name: str
    points: Sequence[tuple[float, float]]
    is_other: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar of shares that add up to one, with its name on the left."""

    name: str
    shares: dict[str, float]


@dataclass(frozen=True)
class Balance:
    """One thing that arms are to be alike in: the difference drawn, and the range over the set drawn from (in SD)."""

    name: str
    drawn: float
    low: float
    high: float


def picture(height: int, title: str, marks: Sequence[str]) -> str:
    """An SVG of the common width with a title and marks."""
    return framed(WIDTH, height, title, marks, STYLE, title_x=8)


def write(path: Path, svg: str) -> None:
    """Write a picture. Raises CairnError where the file cannot be written."""
    write_text(path, svg, "picture")


def detected_by_schools(lines: Sequence[Line], here: tuple[float, float], effect: float) -> str:
    """The smallest effect detected (SD) by number of schools; a dot for this design, a dashed line at the effect."""
    height, bottom = 360, 310
    most_x = max(x for line in lines for x, _ in line.points)
    least_x = min(x for line in lines for x, _ in line.points)
    most_y = max(0.2, min(1.2, max(here[1], 1.5 * effect)) * 1.15)
    step = 0.05 if most_y <= 0.4 else 0.1 if most_y <= 0.8 else 0.2

    def across(x: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (x - least_x) / (most_x - least_x), 1)

    def up(y: float) -> float:
        return round(bottom - (bottom - TOP) * min(y, most_y) / most_y, 1)

    marks = []
    for number in range(int(most_y / step) + 1):
        y = step * number
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y)}" y2="{up(y)}"/>')
        marks.append(f'<text x="{LEFT - 8}" y="{up(y) + 4}" text-anchor="end">{y:.2f}</text>')
    for fifth in range(6):
        x = least_x + (most_x - least_x) * fifth / 5
        marks.append(f'<text x="{across(x)}" y="{bottom + 18}" text-anchor="middle">{x:.0f}</text>')
    for line in lines:
        inside = [(x, y) for x, y in line.points if y <= most_y]
        path = " ".join(f"{'L' if number else 'M'}{across(x)} {up(y)}" for number, (x, y) in enumerate(inside))
        marks.append(
            f'<path class="{"other" if line.is_other else "line"}" d="{path}"><title>{escape(line.name)}</title></path>'
        )
    marks.append(f'<line class="wish" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(effect)}" y2="{up(effect)}"/>')
    marks.append(f'<text x="{LEFT + 4}" y="{up(effect) + 16}">the effect to find: {effect:.2f} SD</text>')
    told = f"this design: {here[0]:.0f} schools detect {here[1]:.2f} SD"
    marks.append(f'<circle class="dot" cx="{across(here[0])}" cy="{up(here[1])}" r="6"><title>{told}</title></circle>')
    side = "end" if across(here[0]) > WIDTH * 0.6 else "start"
    shift = -10 if side == "end" else 10
    marks.append(f'<text x="{across(here[0]) + shift}" y="{up(here[1]) - 8}" text-anchor="{side}">{told}</text>')
    names = "; ".join(f"{'dotted' if line.is_other else 'solid'}: {line.name}" for line in lines)
    marks.append(f'<text x="{LEFT}" y="{height - 8}">Schools in all ({escape(names)})</text>')
    return picture(height, "The smallest effect it detects with the power asked for, in SD", marks)


def decided(bars: Sequence[Bar], title: str) -> str:
    """Bars of what the rule would decide, in percent of pilots."""
    step, name_width = 46, 210
    wide = WIDTH - name_width - RIGHT
    marks = []
    for number, bar in enumerate(bars):
        y, x = TOP + step * number, float(name_width)
        marks.append(f'<text x="{name_width - 10}" y="{y + 20}" text-anchor="end">{escape(bar.name)}</text>')
        for code, (colour, ink) in DECISION_COLOURS.items():
            share = bar.shares.get(code, 0.0)
            part = round(wide * share, 1)
            told = f"{bar.name}: {code} in {100 * share:.0f} of 100"
            if share > 0:
                marks.append(
                    f'<rect x="{round(x, 1)}" y="{y}" width="{part}" height="30" fill="{colour}" stroke="#ffffff">'
                    f"<title>{escape(told)}</title></rect>"
                )
            if part > 9.0 * len(f"{code} 00"):
                marks.append(
                    f'<text x="{round(x + part / 2, 1)}" y="{y + 20}" text-anchor="middle" fill="{ink}">'
                    f"{code} {100 * share:.0f}</text>"
                )
            elif part > 20:
                marks.append(
                    f'<text x="{round(x + part / 2, 1)}" y="{y + 20}" text-anchor="middle" fill="{ink}">'
                    f"{100 * share:.0f}</text>"
                )
            x += wide * share
    y, x = TOP + step * len(bars) + 6, 8.0
    for code in (code for code in DECISION_COLOURS if any(bar.shares.get(code) for bar in bars)):
        marks.append(f'<rect x="{x}" y="{y}" width="14" height="14" fill="{DECISION_COLOURS[code][0]}"/>')
        marks.append(f'<text x="{x + 20}" y="{y + 12}">{code}</text>')
        x += 36 + 9 * len(code)
    return picture(TOP + step * len(bars) + 32, title, marks)


def balance(rows: Sequence[Balance], limit: float) -> str:
    """How alike the arms are: the draw as a dot, the set that it was drawn from as a bar, no difference as a line."""
    step, name_width, wide = 34, 190, WIDTH - 190 - 90
    reach = max(limit, *(abs(number) for row in rows for number in (row.drawn, row.low, row.high))) * 1.1

    def across(sd: float) -> float:
        return round(name_width + wide * (sd + reach) / (2 * reach), 1)

    bottom = TOP + step * len(rows)
    marks = [f'<line class="none" x1="{across(0)}" x2="{across(0)}" y1="{TOP - 8}" y2="{bottom}"/>']
    for edge in (-limit, limit):
        marks.append(f'<line class="wish" x1="{across(edge)}" x2="{across(edge)}" y1="{TOP - 8}" y2="{bottom}"/>')
        marks.append(f'<text x="{across(edge)}" y="{bottom + 16}" text-anchor="middle">{edge:+.2f}</text>')
    for number, row in enumerate(rows):
        y = TOP + step * number + 12
        told = f"{row.name}: {row.drawn:+.2f} SD of schools; the set reaches from {row.low:+.2f} to {row.high:+.2f}"
        marks.append(f'<text x="{name_width - 12}" y="{y + 4}" text-anchor="end">{escape(row.name)}</text>')
        marks.append(f'<line class="span" x1="{across(row.low)}" x2="{across(row.high)}" y1="{y}" y2="{y}"/>')
        marks.append(
            f'<circle class="dot" cx="{across(row.drawn)}" cy="{y}" r="6"><title>{escape(told)}</title></circle>'
        )
        marks.append(f'<text x="{WIDTH - 76}" y="{y + 4}">{row.drawn:+.2f} SD</text>')
    marks.append(
        f'<text x="8" y="{bottom + 36}">Dot: this draw. Bar: the set that it was drawn from. Dashed: the limit.</text>'
    )
    return picture(bottom + 46, "Treatment less comparison, in SD of schools", marks)
