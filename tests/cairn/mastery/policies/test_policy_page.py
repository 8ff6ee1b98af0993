"""The page stands by itself, tells every number and rule, and no pupil; names in a picture do not overlap."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.errors import CairnError
from cairn.mastery.policies.compare import TOO_FEW, Comparison, PolicyResult, Summary
from cairn.mastery.policies.known import KnownPolicy
from cairn.mastery.policies.page import page, write_page
from cairn.mastery.policies.pictures import mastered_and_right, spread, under_and_over
from cairn.mastery.policies.rules import InARow

TOLD = Summary(20, 40, 30, 0.75, 0.8, 25, 0.6, 20, 4.0, 12.5, 0.125, 22)


def result(name: str, told: Summary = TOLD, groups: dict[str, Summary] | None = None) -> PolicyResult:
    return PolicyResult(KnownPolicy(name, "in_a_row", "Ours & theirs.", "<none>", InARow(3)), told, groups or {})


def comparison(*results: PolicyResult, left_out: list[str] | None = None) -> Comparison:
    return Comparison(20, 40, 500, 0.625, 10, list(results), left_out or [])


def test_the_page_has_every_number_and_rule_and_nothing_to_fetch() -> None:
    shown = page(comparison(result("three"), result("four"), left_out=["aleks"]))
    for text in (
        "75.0 %",
        "80.0 %",
        "60.0 %",
        "12.5",
        "12.5 %",
        "62.5 %",
        "Mastered at 3 right in a row.",
        "Ours &amp; theirs.",
    ):
        assert text in shown
    assert "&lt;none&gt;" in shown
    assert "these ask for days: aleks" in shown
    assert "<script" not in shown
    assert not re.findall(r'(?:src|href)="', shown)
    assert set(re.findall(r'"(https?://[^"]*)"', shown)) == {"http://www.w3.org/2000/svg"}


def test_pictures_are_well_formed_and_leave_out_what_is_not_told() -> None:
    found = comparison(result("three"), result("none", TOO_FEW))
    dots, bars = ElementTree.fromstring(mastered_and_right(found)), ElementTree.fromstring(under_and_over(found))
    words = ["".join(one.itertext()) for one in dots.iter() if one.tag.endswith("}text")]
    assert "three" in words
    assert "none" not in words
    assert sum(one.tag.endswith("}circle") for one in dots.iter()) == 4, "two dots and two in the key"
    assert sum(one.get("class") == "under" for one in bars.iter()) == 2
    for made in (mastered_and_right, under_and_over):
        ElementTree.fromstring(made(comparison()))


def test_subgroups_have_tables_and_small_ones_dashes() -> None:
    shown = page(comparison(result("three", groups={"ell": TOO_FEW, "other": TOLD})))
    assert "Subgroup: other" in shown
    small = shown.split("Subgroup: ell")[1].split("</table>")[0]
    assert small.count("<td>-</td>") == 6
    assert not re.search(r"\d %</td>", small)


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CairnError, match="the page cannot be written"):
        write_page(tmp_path / "absent" / "page.html", comparison(result("three")))


@given(st.lists(st.floats(0, 400), max_size=15).map(sorted), st.integers(5, 20))
@settings(deadline=None)
def test_names_keep_their_order_and_distance(wanted: list[float], step: int) -> None:
    places = spread(wanted, step)
    assert len(places) == len(wanted)
    assert all(later - earlier >= step - 0.2 for earlier, later in pairwise(places))
