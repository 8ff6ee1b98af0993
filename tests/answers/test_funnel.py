"""Schools with doubt: limits as published, and outside only where all of the published interval is."""

from __future__ import annotations

import pytest

from answers.funnel import ABOVE, WITHIN, by_school, funnel, limits, words
from cairn.protection.published import EMPTY, PublishedCell
from cairn.protection.rules import Rules
from portal.funnel_chart import funnel_chart

RULES = Rules(10, 10)


def _school(number: int, pupils: int, part: int) -> tuple[str, str, PublishedCell, PublishedCell]:
    base = RULES.count(pupils)
    return f"s{number}", f"School {number}", base, RULES.share(part, pupils, base)


def test_limits_are_spiegelhalters() -> None:
    """p .2, n 100: .2 give or take 1.6449 * .04."""
    assert limits(0.2, 100, 1.6449) == pytest.approx((0.134204, 0.265796), abs=1e-6)
    assert limits(0.02, 10, 3.0902)[0] == 0.0


def test_only_a_school_that_is_outside_as_a_whole_is_one_to_ask() -> None:
    found = funnel([_school(one, 600, 120) for one in range(9)] + [_school(9, 600, 240)])
    points = by_school(found)
    assert found is not None and points["s9"].where == ABOVE and points["s9"].is_far
    assert {points[f"s{one}"].where for one in range(9)} == {WITHIN}
    assert words(points["s9"]) == "more than chance would make it, by far: ask" and words(None) == "not told"
    svg = funnel_chart(found)
    assert svg.count("School 9") == 1 and "School 1<" not in svg and "style=" not in svg


def test_without_three_schools_that_are_told_there_is_no_picture() -> None:
    assert funnel([_school(0, 60, 20), _school(1, 60, 20), ("s2", "School 2", EMPTY, EMPTY)]) is None
