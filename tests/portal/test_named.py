"""The central office and names: a reason first, for one pupil or one school, and half an hour."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from answers import accounts
from identity.disclosure_log import list_disclosures
from portal import reasons
from tests.portal.conftest import PASSWORD, Pages, submit
from tests.portal.fixture_release import LEARNING_ID, pupil_name, sourced

NAME = " ".join(pupil_name(0, 0))
SCHOOL = "/named/schools/school-a"


@pytest.fixture
def central(pages: Pages) -> Any:
    """A session of its own: no reason is given in it yet."""
    client = pages.anonymous()
    assert submit(client, "/login", "/login", name="central", password=PASSWORD).status_code == 303
    return client


def seen(pages: Pages, key: str) -> list[dict[str, Any]]:
    return [row for row in list_disclosures(pages.settings, key) if (row["route"] or "").startswith("/named/")]


def test_no_name_shows_before_there_is_a_reason(pages: Pages, central: Any) -> None:
    key = pages.people[sourced(0, 0)]
    before = len(list_disclosures(pages.settings))
    for path in (SCHOOL, f"/named/students/{key}", "/named/students/p_nobody"):
        answer = central.get(path)
        assert answer.status_code == 200 and 'name="reason"' in answer.text and NAME not in answer.text
    assert len(list_disclosures(pages.settings)) == before
    assert 'href="/named/schools/school-a"' in central.get("/schools/school-a").text
    assert "/named/" not in pages.client("engineer").get("/schools/school-a").text


def test_a_reason_for_a_pupil_opens_that_pupil_and_stands_with_the_name(
    pages: Pages, central: Any, caplog: pytest.LogCaptureFixture
) -> None:
    key, other = (pages.people[sourced(0, number)] for number in (0, 1))
    page = f"/named/students/{key}"
    with caplog.at_level(logging.INFO, logger="cairn.portal.access"):
        assert submit(central, page, page, reason="safety", note="counsellor asks").status_code == 303
    text = central.get(page).text
    assert NAME in text and "3.OA.7" in text and "A pupil&#39;s safety: counsellor asks" in text
    assert "<form" not in text.replace('<form class="out"', ""), "to read: words and actions are the school's"
    row = seen(pages, key)[-1]
    assert row["purpose"] == "named pupil: A pupil's safety: counsellor asks"
    assert (row["actor"], row["role"], row["route"]) == ("central", "central_office", "/named/students/{student_key}")
    assert (row["student_keys"], row["school_id"], row["release_id"]) == ([key], "school-a", LEARNING_ID)
    (line,) = [json.loads(one.message) for one in caplog.records]
    assert (line["what"], line["route"]) == ("gave a reason", "/named/students/{student_key}") and key not in str(line)
    for path in (f"/named/students/{other}", SCHOOL):
        assert 'name="reason"' in central.get(path).text, "for that pupil only"
    assert key.encode() not in accounts.accounts_path(pages.settings).read_bytes()


def test_a_reason_for_a_school_opens_its_pupils_and_no_others(pages: Pages, central: Any) -> None:
    assert submit(central, SCHOOL, SCHOOL, reason="audit").status_code == 303
    text = central.get(SCHOOL).text
    own, other = pages.people[sourced(0, 0)], pages.people[sourced(1, 0)]
    assert NAME in text and f'href="/named/students/{own}"' in text
    assert seen(pages, own)[-1]["purpose"] == "named school: An audit" and seen(pages, own)[-1]["student_count"] == 32
    assert NAME in central.get(f"/named/students/{own}").text
    assert 'name="reason"' in central.get(f"/named/students/{other}").text
    assert 'name="reason"' in central.get("/named/schools/school-b").text
    assert central.get("/named/schools/school-x").status_code == 404


def test_a_reason_ends_after_half_an_hour_and_with_its_session(
    pages: Pages, central: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(central, SCHOOL, SCHOOL, reason="audit")
    assert 'name="reason"' in pages.client("central").get(SCHOOL).text, "another session of the same account"
    monkeypatch.setattr(reasons, "REASON_SECONDS", -1)
    submit(central, "/named/schools/school-b", "/named/schools/school-b", reason="audit")
    assert 'name="reason"' in central.get("/named/schools/school-b").text

    def kept() -> int:
        with accounts.reading(pages.settings) as database:
            return int(database.execute("select count(*) from named_reason").fetchone()[0])

    before = kept()
    submit(central, "/logout", "/logout")
    assert kept() == before - 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"reason": ""}, "Choose a reason"),
        ({"reason": "curious"}, "Choose a reason"),
        ({"reason": "audit", "note": "n" * 201}, "at most 200"),
        ({"reason": "audit", "note": "of ann@example.org"}, "addresses and numbers"),
        ({"reason": "audit", "note": "pupil 4471023"}, "addresses and numbers"),
    ],
)
def test_a_form_that_is_not_filled_says_what_to_mend(
    pages: Pages, central: Any, fields: dict[str, str], told: str
) -> None:
    answer = submit(central, SCHOOL, SCHOOL, **fields)
    assert answer.status_code == 422 and told in answer.text and NAME not in answer.text


def test_an_unknown_pupil_is_not_found_after_a_reason(pages: Pages, central: Any) -> None:
    page = "/named/students/p_nobody"
    assert submit(central, page, page, reason="audit").status_code == 303
    assert central.get(page).status_code == 404
    assert central.post(page, data={"reason": "audit"}).status_code == 403, "without our token"
