"""Bars in parts: drawn to scale, within their room, nothing in them that a page would have to escape or allow."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from portal.rollout_bars import COLOURS, NAMES, WIDTH, Bar, bars


def _widths(svg: str) -> list[float]:
    """Widths of the parts, the legend's boxes left out."""
    return [
        float(one) for x, one in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg) if float(x) >= NAMES
    ]


def test_parts_are_to_scale_and_within_their_room() -> None:
    svg = bars(("a", "b"), [Bar("one", (1.0, 3.0), "4"), Bar("two", (2.0, 0.0), "2")])
    assert svg is not None
    first, second, other = (width + 1 for width in _widths(svg))
    assert second == pytest.approx(3 * first, abs=0.2) and other == pytest.approx(2 * first, abs=0.2)
    assert NAMES + first + second < WIDTH


def test_no_rows_are_no_picture_and_nothing_is_drawn_of_noughts() -> None:
    assert bars(("a",), []) is None
    svg = bars(("a",), [Bar("none", (0.0,), "0 h")])
    assert svg is not None and _widths(svg) == []


def test_names_are_text_and_nothing_is_styled() -> None:
    svg = bars(("a",), [Bar('<script>"&', (1.0,), "1")])
    assert svg is not None
    ElementTree.fromstring(svg)
    assert "<script" not in svg and "style=" not in svg


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_hold_three_to_one_against_white(colour: str) -> None:
    """Contrast by WCAG 2.2, relative luminance of sRGB."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    assert 1.05 / (luminance + 0.05) >= 3
