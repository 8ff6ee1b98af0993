"""Two pictures of a comparison as SVG: who is called mastered against what came after, and practice too much or little.

Colours hold 3:1 against white; what a colour says, a shape or a place says too. Every mark has its numbers as a title.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from cairn.mastery.policies.compare import Comparison, PolicyResult
from cairn.pictures import AMBER, BLUE, GREY, framed

STYLE = f"""<style>.grid{{stroke:#dfe3e5}}.lead{{stroke:{GREY};fill:none}}.week{{fill:#ffffff;stroke:{AMBER};
stroke-width:2}}.next{{fill:{BLUE}}}.fall{{stroke:{AMBER}}}.under{{fill:{AMBER}}}.over{{fill:{BLUE}}}</style>"""
# Pixels. The dots: a square, with names beside it at least so far apart; a letter of a name is no wider than this.
SIDE, LEFT, TOP, BOTTOM = 380, 60, 56, 56
NAME_STEP, LETTER = 17, 7.5
# The bars: a row a policy, and the width of each of the two panels.
ROW, PANEL, VALUE_WIDTH = 26, 190, 60


def percent(share: float | None) -> str:
    """A share for a person; a dash where nothing is told."""
    return "-" if share is None else f"{100 * share:.1f} %"


@dataclass(frozen=True)
class Dot:
    """A policy in the picture: its name, share mastered, share right at once and a week later (or None)."""

    name: str
    mastered: float
    right: float
    week_later: float | None


def _dots(results: list[PolicyResult]) -> list[Dot]:
    """Policies of which both shares are told, from the highest share right to the lowest."""
    found = []
    for one in results:
        told = one.everyone
        if told.mastered_share is not None and told.next_right is not None:
            found.append(Dot(one.policy.name, told.mastered_share, told.next_right, told.week_later_right))
    return sorted(found, key=lambda dot: -dot.right)


def mastered_and_right(comparison: Comparison) -> str:
    """Share of pairs mastered against the share right afterwards, at once (dot) and 4 to 14 days later (ring)."""
    dots = _dots(comparison.results)
    values = [dot.right for dot in dots] + [dot.week_later for dot in dots if dot.week_later is not None]
    floor = math.floor(10 * min(values, default=0.5)) / 10 if min(values, default=0.5) < 1 else 0.9
    width, height = LEFT + SIDE + 34 + _name_width(comparison), TOP + max(SIDE, NAME_STEP * len(dots)) + BOTTOM

    def across(share: float) -> float:
        return round(LEFT + SIDE * share, 1)

    def up(share: float) -> float:
        return round(TOP + SIDE * (1.0 - (share - floor) / (1.0 - floor)), 1)

    marks = []
    for fifth in range(6):
        x, share = across(fifth / 5), floor + (1.0 - floor) * fifth / 5
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + SIDE}" y1="{up(share)}" y2="{up(share)}"/>')
        marks.append(f'<text x="{LEFT - 8}" y="{up(share) + 4}" text-anchor="end">{100 * share:.0f} %</text>')
        marks.append(f'<text x="{x}" y="{TOP + SIDE + 18}" text-anchor="middle">{20 * fifth} %</text>')
    places = spread([up(dot.right) for dot in dots], NAME_STEP)
    marks += [_dot(dot, across(dot.mastered), up(dot.right), place) for dot, place in zip(dots, places, strict=True)]
    for dot in dots:
        if dot.week_later is not None:
            x, low, high = across(dot.mastered), up(dot.week_later), up(dot.right)
            marks.append(f'<line class="fall" x1="{x}" x2="{x}" y1="{high}" y2="{low}"/>')
            marks.append(f'<circle class="week" cx="{x}" cy="{low}" r="4"/>')
    marks += [f'<circle class="next" cx="{across(dot.mastered)}" cy="{up(dot.right)}" r="5"/>' for dot in dots]
    return _picture(
        width,
        height,
        "Share mastered, and share right afterwards",
        [
            f'<circle class="next" cx="{LEFT + 6}" cy="40" r="5"/><text x="{LEFT + 18}" y="44">the next answer</text>',
            f'<circle class="week" cx="{LEFT + 136}" cy="40" r="4"/>'
            f'<text x="{LEFT + 148}" y="44">the first answer 4 to 14 days later</text>',
            *marks,
            f'<text x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 42}" text-anchor="middle">Pairs called mastered</text>',
            f'<text x="14" y="{TOP + SIDE / 2}" text-anchor="middle" '
            f'transform="rotate(-90 14 {TOP + SIDE / 2})">Right afterwards</text>',
        ],
    )


def _dot(dot: Dot, x: float, y: float, name_y: float) -> str:
    """The name of a dot, and the line that leads to it; the numbers as its title."""
    later = "" if dot.week_later is None else f", {percent(dot.week_later)} a week later"
    told = f"{dot.name}: {percent(dot.mastered)} mastered, then {percent(dot.right)} right{later}"
    edge = LEFT + SIDE + 14
    return (
        f'<g><path class="lead" d="M{x} {y} L{edge} {name_y} h6"/>'
        f'<text x="{edge + 10}" y="{name_y + 4}">{escape(dot.name)}</text><title>{escape(told)}</title></g>'
    )


def spread(wanted: list[float], step: float) -> list[float]:
    """Places in ascending order, each as near the wanted one (ascending) as ``step`` between neighbours lets it be.

    Names that would overlap are pushed down; a run that was pushed is centred on where it wanted to be.
    """
    runs: list[list[float]] = []
    for place in wanted:
        runs.append([place])
        while len(runs) > 1 and _start(runs[-1], step) < _start(runs[-2], step) + step * len(runs[-2]):
            last = runs.pop()
            runs[-1] += last
    return [round(_start(run, step) + step * number, 1) for run in runs for number in range(len(run))]


def _start(run: list[float], step: float) -> float:
    return sum(run) / len(run) - step * (len(run) - 1) / 2


def under_and_over(comparison: Comparison) -> str:
    """Bars: mastered pairs that then answered under 60 % right, and answers after the call."""
    rows = comparison.results
    most = max((one.everyone.over_practice or 0.0 for one in rows), default=0.0) or 1.0
    worst = max((one.everyone.under_practice or 0.0 for one in rows), default=0.0) or 1.0
    first = 16 + _name_width(comparison)
    second = first + PANEL + VALUE_WIDTH
    marks = [
        f'<text x="{first}" y="46">Under: then under 60 % right</text>',
        f'<text x="{second}" y="46">Over: answers after the call</text>',
    ]
    for number, one in enumerate(rows):
        told, y = one.everyone, 58 + ROW * number
        over = "-" if told.over_practice is None else f"{told.over_practice:.1f}"
        marks.append(f'<text x="{first - 8}" y="{y + 14}" text-anchor="end">{escape(one.policy.name)}</text>')
        marks.append(_bar("under", first, y, (told.under_practice or 0.0) / worst, percent(told.under_practice)))
        marks.append(_bar("over", second, y, (told.over_practice or 0.0) / most, over))
    width, height = second + PANEL + VALUE_WIDTH, 58 + ROW * len(rows) + 12
    return _picture(width, height, "Practice too little, practice too much", marks)


def _name_width(comparison: Comparison) -> int:
    return math.ceil(LETTER * max((len(one.policy.name) for one in comparison.results), default=0))


def _bar(kind: str, x: int, y: int, part: float, value: str) -> str:
    wide = round(PANEL * part, 1)
    return (
        f'<rect class="{kind}" x="{x}" y="{y}" width="{wide}" height="{ROW - 8}"/>'
        f'<text x="{round(x + wide + 6, 1)}" y="{y + 14}">{value}</text>'
    )


def _picture(width: int, height: int, title: str, marks: list[str]) -> str:
    return framed(width, height, title, marks, STYLE, LEFT)
