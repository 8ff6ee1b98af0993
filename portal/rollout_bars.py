"""Bars in parts as SVG, drawn here: a page of twenty pilots has a hundred of them, and each takes no time.

Without scripts, styles or anything to fetch. Colours hold 3:1 against white and differ in lightness as well; the parts
stand in the order of the legend, and the number at a bar's end says its first part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from answers.wording import retold
from cairn.vega import FONT, INK
from portal.svg import AMBER, BLUE, as_written

# Parts in order: what is there, what is there in part, what is not.
COLOURS = (BLUE, "#5f92a3", AMBER, "#7b878d")
WIDTH, NAMES, ENDS, ROW, TOP = 440, 190, 66, 22, 26
# As many as have room in a font half a point wider than the one measured here.
MOST_LETTERS = 24


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its parts in the order of the kinds, and what stands at its end; in the page's language."""

    name: str
    parts: tuple[float, ...]
    end: str


def bars(kinds: Sequence[str], rows: Sequence[Bar], whole: float | None = None) -> str | None:
    """Bars one below the other; None where there are none. ``whole`` is the full width; the longest bar if absent.

    The kinds are told in the language of the page; all else stays as it is given.
    """
    if not rows:
        return None
    most = whole or max(sum(row.parts) for row in rows) or 1.0
    room = WIDTH - NAMES - ENDS
    # Told before they are placed: the next kind stands where the words of this one end.
    marks = _legend([retold(kind) for kind in kinds])
    for number, row in enumerate(rows):
        y, x = TOP + ROW * number, float(NAMES)
        marks.append(_text(NAMES - 8, y + 14, _short(row.name), "end"))
        for part, colour in zip(row.parts, COLOURS, strict=False):
            width = room * part / most
            if width > 0:
                marks.append(_box(x, y + 3, max(width - 1, 0.5), colour))
            x += width
        marks.append(_text(x + 6, y + 14, row.end, "start"))
    height = TOP + ROW * len(rows) + 4
    return (
        f'<svg aria-hidden="true" focusable="false" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" font-family="{FONT}" font-size="13" fill="{INK}">{"".join(marks)}</svg>'
    )


def _legend(kinds: Sequence[str]) -> list[str]:
    """The kinds with their colours, one after the other along the top."""
    marks, x = [], 4.0
    for kind, colour in zip(kinds, COLOURS, strict=False):
        marks += [_box(x, 4, 14, colour), _text(x + 20, 15, kind, "start")]
        x += 34 + 7.2 * len(kind)
    return marks


def _box(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="14" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{as_written(text)}</text>'


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1].rstrip()}…"
