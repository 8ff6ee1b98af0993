"""The funnel of schools as SVG: a mark for each school at its size, its doubt as a line, and what chance makes."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from answers.funnel import WITHIN, Z_INNER, Z_OUTER, Funnel, Point, limits
from cairn.vega import FONT, INK
from portal.svg import AMBER, BLUE, as_written

WIDTH, HEIGHT, LEFT, FOOT, TOP, RIGHT = 560, 300, 46, 40, 14, 12
STEPS = 40
MOST_NAMES = 8
# Schools of one size together are no wider than this.
MOST_ASIDE = 190.0


def funnel_chart(found: Funnel) -> str:
    """The picture; only schools outside are named, so that nobody reads a rank from it."""
    most = max(one.pupils for one in found.points) * 1.08
    least = max(1.0, min(one.pupils for one in found.points) * 0.85)
    top = min(1.0, max(one.high for one in found.points) + 0.05)

    def x(pupils: float) -> float:
        return LEFT + (pupils - least) / (most - least) * (WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return TOP + (1 - share / top) * (HEIGHT - TOP - FOOT)

    sizes = [least + (most - least) * step / STEPS for step in range(STEPS + 1)]
    marks = [_axis(x, y, least, most, top)]
    for z, dash in ((Z_INNER, "5 4"), (Z_OUTER, "1 3")):
        for end in (0, 1):
            points = " ".join(f"{x(n):.1f},{y(min(top, limits(found.share, n, z)[end])):.1f}" for n in sizes)
            marks.append(f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-dasharray="{dash}"/>')
    marks.append(_line(x(least), y(found.share), x(most), y(found.share), INK, 1.5))
    named = 0
    for one, aside in _side_by_side(found):
        is_out = one.where != WITHIN
        colour, at = AMBER if is_out else BLUE, x(one.pupils) + aside
        marks.append(_line(at, y(one.low), at, y(min(top, one.high)), colour, 1.5))
        shape = _diamond(at, y(one.middle)) if is_out else _disc(at, y(one.middle))
        marks.append(f'<path d="{shape}" fill="{colour}"/>')
        if is_out and named < MOST_NAMES:
            named += 1
            marks.append(_text(at - 8, y(one.middle) + 4, one.name, "end", is_name=True))
    return (
        f'<svg aria-hidden="true" focusable="false" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}" font-family="{FONT}" font-size="13" fill="{INK}">{"".join(marks)}</svg>'
    )


def _side_by_side(found: Funnel) -> list[tuple[Point, float]]:
    """Schools by name, each with how far it is moved aside: those of one published size would cover each other."""
    placed: list[tuple[Point, float]] = []
    by_size: dict[float, list[Point]] = {}
    for one in sorted(found.points, key=lambda point: point.name):
        by_size.setdefault(one.pupils, []).append(one)
    for points in by_size.values():
        room = min(10.0, MOST_ASIDE / len(points))
        placed += [(one, room * (place - (len(points) - 1) / 2)) for place, one in enumerate(points)]
    return placed


def _axis(x: Callable[[float], float], y: Callable[[float], float], least: float, most: float, top: float) -> str:
    """Both axes with a few round numbers."""
    step = 0.25 if top > 0.5 else 0.1
    marks = [_line(LEFT, HEIGHT - FOOT, WIDTH - RIGHT, HEIGHT - FOOT, INK, 1)]
    share = 0.0
    while share <= top + 1e-9:
        marks.append(_text(LEFT - 6, y(share) + 4, f"{100 * share:.0f} %", "end"))
        share += step
    width = next((one for one in (10, 20, 50, 100, 200, 500, 1000) if (most - least) / one <= 6), 2000)
    pupils = -(-int(least) // width) * width
    while pupils <= most:
        marks.append(_text(x(pupils), HEIGHT - FOOT + 16, f"{pupils:,}", "middle"))
        pupils += width
    marks.append(_text(WIDTH - RIGHT, HEIGHT - 6, "pupils of the school", "end"))
    return "".join(marks)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{width:g}" fill="none"/>'


def _disc(x: float, y: float) -> str:
    return f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0"


def _diamond(x: float, y: float) -> str:
    return f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"


def _text(x: float, y: float, text: str, anchor: str, *, is_name: bool = False) -> str:
    inside = as_written(text) if is_name else escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{inside}</text>'
