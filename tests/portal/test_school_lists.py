"""The lists behind a school's page: each count has its rows, each row its evidence; narrowed, paged, refused."""

from __future__ import annotations

import html
import re
from datetime import date
from typing import Any

import pytest

from answers import school_lists
from answers.pinned_releases import Reader
from identity.disclosure_log import list_disclosures
from portal import pages_school_lists
from tests.portal.fixture_release import sourced

SCHOOL = "/schools/school-a"
ROW = 'class="row"'


def counts(text: str) -> list[tuple[str, int]]:
    """Address and number of every count on a page."""
    found = re.findall(r'class="count" href="([^"]+)">([\d,]+)', text)
    return [(html.unescape(address), int(number.replace(",", ""))) for address, number in found]


def rows_of(client: Any, address: str) -> int:
    """Rows of a list over all its pages."""
    text = client.get(address).text
    more = re.search(r'rel="next" href="([^"]+)"', text)
    base = address.split("?")[0]
    return int(text.count(ROW)) + (rows_of(client, base + html.unescape(more[1])) if more else 0)


@pytest.mark.parametrize("path", [SCHOOL, f"{SCHOOL}/by-class"])
def test_every_count_opens_to_exactly_that_many_rows(pages: Any, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_school_lists, "ROWS_A_PAGE", 7)
    client = pages.client("leader-a")
    found = counts(client.get(path).text)
    assert len(found) >= 8
    assert {address: rows_of(client, address) for address, _ in found} == dict(found)


def test_counts_are_the_marts(pages: Any) -> None:
    release = Reader(pages.settings).current("learning")
    assert release is not None
    found = dict(counts(pages.client("leader-a").get(SCHOOL).text))

    def there(what: str) -> int:
        return int(release.rows(f"select {what} where school_id = 'school-a'")[0]["n"])

    pupils = "count(distinct student_key) as n from"
    assert found[f"{SCHOOL}/needs-adult?kind=first"] == there(f"{pupils} (from mart_needs_adult where is_first)")
    assert found[f"{SCHOOL}/moves-on"] == there(f"{pupils} mart_moves_on")
    assert found[f"{SCHOOL}/quick-checks"] == there(f"{pupils} mart_review_due")
    assert found[f"{SCHOOL}/changes"] == there("count(*) as n from mart_change")
    without = there("count(*) as n from (from mart_student_competency where state = 'not_enough_evidence')")
    assert found[f"{SCHOOL}/not-enough-evidence"] == without > 0


def test_each_row_leads_to_its_evidence(pages: Any) -> None:
    """The place on the pupil's page that a row names is there."""
    client = pages.client("leader-a")
    seen = set()
    for name in ("needs-adult", "moves-on", "changes", "quick-checks", "groups", "actions", "not-enough-evidence"):
        text = client.get(f"{SCHOOL}/{name}").text
        found = re.findall(r'href="(/students/[^"#]+)#on-([^"]+)"', text)
        assert len(found) >= text.count(ROW) > 0, name
        seen |= set(found)
    pupils = {address for address, _ in seen}
    texts = {address: client.get(address).text for address in pupils}
    assert [one for one in seen if f'id="on-{one[1]}"' not in texts[one[0]]] == []


def test_a_list_is_narrowed_by_class_and_kind_and_says_its_order(pages: Any) -> None:
    client = pages.client("leader-a")
    whole = client.get(f"{SCHOOL}/changes").text
    rooms = [client.get(f"{SCHOOL}/changes?class=school-a-class-{room}").text for room in (1, 2)]
    assert sum(text.count(ROW) for text in rooms) == whole.count(ROW) > 0
    kinds = [client.get(f"{SCHOOL}/changes?kind={kind}").text for kind in school_lists.NEWS]
    assert sum(text.count(ROW) for text in kinds) == whole.count(ROW)
    assert "the newest work first" in whole and "some evidence" not in whole.lower()
    for odd in ("?class=school-b-class-1", "?kind=nothing", "?page=2", "?page=0", "?page=x"):
        assert client.get(f"{SCHOOL}/changes{odd}").status_code == 404


@pytest.mark.parametrize("name", [*school_lists.LISTS, "by-class"])
def test_lists_are_the_own_leaders_alone_and_name_nobody_else(pages: Any, name: str) -> None:
    path = f"{SCHOOL}/{name}"
    statuses = {who: pages.client(who).get(path).status_code for who in ("leader-b", "central", "engineer")}
    assert set(statuses.values()) == {403}
    before = len(list_disclosures(pages.settings))
    text = pages.client("leader-a").get(path).text
    new = list_disclosures(pages.settings)[before:]
    linked = {key for key in pages.people.values() if key in text}
    shown = set().union(*(row["student_keys"] for row in new))
    assert linked <= shown
    assert name == "pace" or len(new) == 1
    assert not any(pages.people[sourced(1, number)] in shown for number in range(3))


def test_old_news_says_its_day_and_silence_is_no_number(pages: Any) -> None:
    text = pages.client("leader-a").get(f"{SCHOOL}/needs-adult").text
    quiet = [part for part in text.split(ROW) if "gone quiet" in part]
    assert quiet and not any("expected right" in part for part in quiet)
    assert "last work" in text


def test_days_of_the_fortnight_are_counted_back_from_the_data_date() -> None:
    from types import SimpleNamespace

    from answers.school_answers import SchoolView

    view = SimpleNamespace(
        data_date=date(2026, 10, 14), followups=[{"action_date": date(2026, 9, 30)}, {"action_date": date(2026, 10, 1)}]
    )
    assert SchoolView.recent_followups.fget(view) == view.followups[1:]  # type: ignore[attr-defined]
