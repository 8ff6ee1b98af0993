"""Releases, why two of them differ, and numbers as published on a day: who sees which."""

from __future__ import annotations

import re

import pytest

from tests.attack.derive import derived, pages_of, read_book
from tests.attack.page_cells import cells
from tests.portal.conftest import Pages
from tests.portal.fixture_release import LEARNING_ID, SHOWN_ID

REASON_HEAD = "<tr><th>Reason</th><th>Pairs of pupil and topic</th></tr>"
REASONS_WITH_THREE = f"</h1><table>{REASON_HEAD}<tr><th>New work</th><td>3</td></tr></table><h1>"


def test_the_page_of_two_releases_says_what_the_command_says(two: Pages) -> None:
    keys = set(two.people.values())
    listed = two.client("central").get("/releases").text
    assert f'href="/releases/{SHOWN_ID}/{LEARNING_ID}"' in listed and 'href="/?as-of=2026-10-14"' in listed
    path = f"/releases/{SHOWN_ID}/{LEARNING_ID}"
    central, engineer = (two.client(name).get(path) for name in ("central", "engineer"))
    assert (central.status_code, engineer.status_code) == (200, 200)
    row = re.search(r'<th scope="row">mart_needs_adult</th>(.*?)</tr>', engineer.text)
    assert row is not None and '<td class="n">3</td>' in row[1], "three rows were added"
    assert "added: " in engineer.text and any(key in engineer.text for key in keys), "an engineer sees which"
    assert "<li><code>mart_needs_adult</code></li>" in central.text and '<th scope="row">mart_' not in central.text
    assert not any(key in central.text for key in keys), "no key of a pupil"
    assert two.client("leader-a").get(path).status_code == 403


def test_an_attacker_reads_why_releases_differ(two: Pages) -> None:
    client = two.client("central")
    path = f"/releases/{SHOWN_ID}/{LEARNING_ID}"
    pages = pages_of(lambda address: client.get(address).content)
    assert path in pages and not cells(path, pages[path]), "no number at all"
    careless = pages[path].replace("<h1>", f"<h1>{REASONS_WITH_THREE}", 1)
    assert [(one.name, one.value) for one in derived(read_book(cells(path, careless)))] == [("New work", 3)]


@pytest.mark.parametrize("path", [f"/releases/{LEARNING_ID}/learning-2020-01-01-1", "/releases/x/y", "/?as-of=Monday"])
def test_what_is_not_kept_is_not_found(pages: Pages, path: str) -> None:
    assert pages.client("central").get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/rollout", "/pilots/pilot-fractions", "/schools/school-a"])
def test_a_page_says_of_which_day_its_numbers_are(pages: Pages, path: str) -> None:
    client = pages.client("central")
    assert "As published on Wed 14 Oct 2026</strong>; the next on Mon 19 Oct 2026" in client.get(path).text
    then = client.get(f"{path}?as-of=2026-10-16").text
    assert "As published on Wed 14 Oct 2026" in then and "asked for Fri 16 Oct 2026" in then
    assert "Nothing had been published by Tue 13 Oct 2026" in client.get(f"{path}?as-of=2026-10-13").text


@pytest.mark.parametrize("sort", ["need", "trust", "size", "name"])
def test_schools_are_sorted_by_a_link(pages: Pages, sort: str) -> None:
    text = pages.client("central").get(f"/?sort={sort}").text
    assert 'aria-current="true"' in text and text.count('href="?sort=') == 3
    named = re.findall(r'<th scope="row"><a href="/schools/[^"]+">([^<]+)</a>', text)
    assert len(named) == 3 and (sort != "name" or named == sorted(named))
    assert pages.client("central").get("/?sort=worst").status_code == 404
