"""The design tokens of cairn.css: contrast in light and dark, states told apart without colour sight, and their scales.

Contrast is WCAG 2.2's ratio of relative luminances. Colour sight is simulated by the matrices of Machado, Oliveira and
Fernandes (2009) at full severity, in linear RGB; how far apart two colours look is CIE 1976's distance in L*a*b*.
"""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from portal.web import HERE

CSS = (HERE / "static" / "cairn.css").read_text()
SCHEMES = ("light", "dark")
# What is read on what: text colours on each ground that they stand on.
TEXT_ON = [(text, ground) for text in ("ink", "muted", "accent") for ground in ("paper", "card", "faint")]
TEXT_ON += [("ink", f"{state}-soft") for state in ("good", "care", "bad", "accent")]
TEXT_ON += [(state, ground) for state in ("good", "care", "bad") for ground in (f"{state}-soft", "card", "faint")]
TEXT_ON += [("accent", "accent-soft"), ("on-accent", "accent"), ("card", "good"), ("card", "bad")]
MARKS_ON = [("focus", "paper"), ("focus", "card"), ("muted", "card"), ("accent", "line")]
SIGHT = {
    "full": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Four to five times what is just told apart side by side; shapes, letters and words say each state too.
APART = 11.0
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def tokens(scheme: str) -> dict[str, str]:
    """Colours by name; the dark ones stand in for the light ones of the same name."""
    light, dark = re.findall(r":root \{(.*?)\}", CSS, flags=re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark)) if scheme == "dark" else found


def linear(colour: str) -> np.ndarray:
    """Linear RGB, 0 to 1."""
    value = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG's ratio, 1 to 21."""
    low, high = sorted(float(linear(colour) @ TO_XYZ[1]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, sight: str) -> np.ndarray:
    """L*a*b* of a colour as it looks to that sight."""
    seen = np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1)
    part = TO_XYZ @ seen / WHITE
    curved = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116)
    return np.array([116 * curved[1] - 16, 500 * (curved[0] - curved[1]), 200 * (curved[1] - curved[2])])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_and_marks_have_contrast(scheme: str) -> None:
    colours = tokens(scheme)
    pairs = [(one, other, 4.5) for one, other in TEXT_ON] + [(one, other, 3.0) for one, other in MARKS_ON]
    low = {
        f"{one} on {other}": round(contrast(colours[one], colours[other]), 2)
        for one, other, least in pairs
        if contrast(colours[one], colours[other]) < least
    }
    assert low == {}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_states_are_told_apart_with_every_sight(scheme: str, sight: str) -> None:
    colours = tokens(scheme)
    near = {
        f"{one}, {other}": round(float(np.linalg.norm(lab(colours[one], sight) - lab(colours[other], sight))), 1)
        for one, other in combinations(("good", "care", "bad"), 2)
    }
    assert min(near.values()) >= APART, near


def test_sizes_of_type_are_those_of_the_scale() -> None:
    """No rule has a size of its own, but on paper and where it goes with the text around it."""
    loose = [one for one in re.findall(r"font-size: ([^;}]+)[;}]", CSS) if not one.startswith("var(--type-")]
    assert [one for one in loose if not one.endswith(("pt", "em")) or one.endswith("rem")] == ["inherit"]


def test_spaces_are_those_of_the_scale() -> None:
    """No rule has a space of its own, but on paper (cm) and where it goes with the text around it (em)."""
    given = re.findall(r"\b(?:margin|padding|gap|row-gap|column-gap)(?:-[a-z-]+)?: ([^;}]+)[;}]", CSS)
    loose = {one for value in given for one in re.sub(r"calc\(-1 \* (var\(--space-\d+\))\)", r"\1", value).split()}
    own = {one for one in loose if not re.fullmatch(r"0|auto|var\(--space-\d+\)|-?[\d.]+(?:cm|(?<!r)em)", one)}
    assert own == set()
    steps = [float(one) for one in re.findall(r"--space-\d+: ([\d.]+)rem;", CSS)]
    assert steps == sorted(steps) and len(steps) <= 13, "a small scale, each step wider than the one before"
