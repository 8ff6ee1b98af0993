"""Pages over HTTP: who may open what, what they show, what is logged, and that numbers are the marts'."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

import lake
from answers.accounts import list_accounts
from answers.pinned_releases import Reader
from answers.school_lists import LISTS
from cairn.settings import Settings
from feeds.write import write
from gates import intake_alarms
from gates.intake_alarms import Alarm
from identity.disclosure_log import list_disclosures
from portal.app import create_app
from tests.portal.fixture_release import EVALUATION_ID, LEARNING_ID, pupil_name, sourced

ADDRESSES = {
    "leader-a": ["/schools/school-a", "/schools/school-a/feed", *(f"/schools/school-a/{name}" for name in LISTS)],
    "central": ["/", "/pilots", "/pilots/pilot-fractions", "/pilots/pilot-reading", "/rollout", "/schools/school-a"],
    "engineer": ["/operations", "/pilots", "/rollout"],
}
NAME = pupil_name(0, 0)


def names_in(text: str) -> set[str]:
    """Names of the fixture's pupils in a text."""
    every = {" ".join(pupil_name(school, number)) for school in range(3) for number in range(32)}
    return {name for name in every if name in text}


@pytest.mark.parametrize("path", ["/schools/school-a", "/students/p_1", "/pilots", "/pilots/x.pdf", "/operations"])
def test_anonymous_is_sent_to_sign_in(pages: Any, path: str) -> None:
    answer = pages.anonymous().get(path)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(("account", "path"), [(who, path) for who, paths in ADDRESSES.items() for path in paths])
def test_pages_print_both_release_ids_and_have_a_frame(pages: Any, account: str, path: str) -> None:
    answer = pages.client(account).get(path)
    assert answer.status_code == 200
    assert LEARNING_ID in answer.text and EVALUATION_ID in answer.text and "Wed 14 Oct 2026" in answer.text
    assert '<html lang="en">' in answer.text and 'class="skip"' in answer.text and answer.text.count("<h1") == 1
    assert "<script" not in answer.text and " style=" not in answer.text
    assert answer.headers["cache-control"] == "no-store" and "script" not in answer.headers["content-security-policy"]


def test_alarms_that_stand_come_first_and_name_the_next_command(pages: Any) -> None:
    now = datetime.now(UTC)
    alarms = [
        Alarm("silent", "tilewise", school, "2026-10-14", "60 statements a school day", "none", "ask its vendor")
        for school in ("sch-1", "sch-2")
    ]
    try:
        intake_alarms.reconcile(pages.settings, alarms, now)
        intake_alarms.reconcile(pages.settings, alarms[1:], now)
        text = pages.client("engineer").get("/operations").text
    finally:
        intake_alarms.reconcile(pages.settings, [], now)
    assert "1 alarm standing" in text
    assert text.index("source tilewise at sch-2") < text.index("source tilewise at sch-1")
    assert "60 statements a school day" in text and "ask its vendor" in text


def test_titles_are_unique(pages: Any) -> None:
    titles = []
    for account, paths in ADDRESSES.items():
        for path in paths:
            if account == "engineer" and path in ADDRESSES["central"]:
                continue
            if (account, path) == ("central", "/schools/school-a"):
                continue
            titles.append(re.search("<title>(.*)</title>", pages.client(account).get(path).text)[1])  # type: ignore[index]
    assert len(set(titles)) == len(titles)


def test_each_role_starts_at_its_own_page(pages: Any) -> None:
    assert pages.client("leader-a").get("/").headers["location"] == "/schools/school-a"
    assert pages.client("engineer").get("/").headers["location"] == "/operations"
    assert "District overview" in pages.client("central").get("/").text


def test_a_school_leader_cannot_open_another_school(pages: Any) -> None:
    client = pages.client("leader-a")
    for path in ("/schools/school-b", "/schools/school-b/feed", "/schools/school-b/feed/needs_adult.csv"):
        answer = client.get(path)
        assert answer.status_code == 403 and not names_in(answer.text)
    other = pages.people[sourced(1, 0)]
    assert client.get(f"/students/{other}").status_code == 403
    assert client.get(f"/students/{other}").text == client.get("/students/p_nobody").text


@pytest.mark.parametrize(
    ("account", "path"),
    [
        *(("leader-a", path) for path in ("/operations", "/pilots", "/pilots/pilot-fractions.pdf", "/rollout")),
        ("central", "/schools/school-a/feed"),
        ("engineer", "/schools/school-a/feed"),
        ("leader-a", "/operations/data-docs/index.html"),
    ],
)
def test_roles_open_their_own_pages_only(pages: Any, account: str, path: str) -> None:
    assert pages.client(account).get(path).status_code == 403


@pytest.mark.parametrize("account", ["central", "engineer"])
def test_no_pupil_is_named_outside_the_school(pages: Any, account: str) -> None:
    client = pages.client(account)
    key = pages.people[sourced(0, 0)]
    for path in ("/schools/school-a", "/schools/school-b", "/pilots/pilot-fractions", "/rollout", "/operations"):
        text = client.get(path).text
        # Whole keys: two letters alone may stand in a form's random token.
        assert not names_in(text) and not [one for one in pages.people.values() if one in text]
    assert client.get(f"/students/{key}").status_code == 403


def test_a_page_view_with_names_is_one_disclosure(pages: Any) -> None:
    def views(purpose: str) -> list[dict[str, Any]]:
        rows = list_disclosures(pages.settings)
        return [row for row in rows if row["purpose"] == purpose]

    client = pages.client("leader-a")
    before = len(views("school page"))
    of_another = len(list_disclosures(pages.settings, pages.people[sourced(1, 0)]))
    text = client.get("/schools/school-a").text
    linked = {key for key in pages.people.values() if key in text}
    key = min(linked)
    client.get("/pilots")
    client.get(f"/students/{key}")
    after = views("school page")
    assert len(after) == before + 1
    newest = max(after, key=lambda row: row["disclosed_at"])
    assert (newest["actor"], newest["school_id"], newest["kind"]) == ("leader-a", "school-a", "page")
    assert newest["release_id"] == LEARNING_ID and newest["student_count"] == len(linked) < 10
    assert (newest["role"], newest["route"]) == ("school_leader", "/schools/{school_id}")
    assert set(newest["student_keys"]) == linked, "who is on the page, and nobody else"
    assert views("pupil page")[-1]["student_keys"] == [key]
    seen = [row["purpose"] for row in list_disclosures(pages.settings, key)]
    assert seen[-2:] == ["school page", "pupil page"]
    assert len(list_disclosures(pages.settings, pages.people[sourced(1, 0)])) == of_another


def test_a_feed_file_is_logged_with_the_pupils_it_names(pages: Any) -> None:
    write(pages.settings, school="school-a")
    assert pages.client("leader-a").get("/schools/school-a/feed/groups.csv").status_code == 200
    assert pages.client("leader-a").get("/schools/school-a/feed/.pupils.json").status_code == 404
    row = list_disclosures(pages.settings)[-1]
    assert (row["purpose"], row["actor"], row["role"]) == ("feed file downloaded", "leader-a", "school_leader")
    assert row["student_keys"] and len(row["student_keys"]) == row["student_count"]


def test_a_held_school_shows_the_last_good_answer_labelled(pages: Any) -> None:
    text = pages.client("leader-b").get("/schools/school-b").text
    assert "Held back." in text and "Tue 13 Oct 2026" in text and "Held back: accepted share" in text


def test_an_old_release_is_labelled(pages: Any) -> None:
    # The fixture's data date lies behind every school day from here on.
    assert "An older answer." in pages.client("leader-a").get("/schools/school-a").text


def test_the_pupil_page_shows_states_and_standing_decisions(pages: Any) -> None:
    text = pages.client("leader-a").get(f"/students/{pages.people[sourced(0, 0)]}").text
    assert text.count("Tue 13 Oct 10:42") == 1
    assert " ".join(NAME) in text and "Mastered" in text and "3.OA.7" in text


def test_the_pupil_page_tells_areas_from_their_parts_and_labels_what_is_carried(pages: Any) -> None:
    text = pages.client("leader-a").get(f"/students/{pages.people[sourced(0, 0)]}").text
    assert "carried from 4.NF.2" in text and "exact match, times 0.95" in text
    assert "1 of 4" in text and "stuck in a part" in text and "partly carried" in text and "Mastered, 93 %" in text
    other = pages.client("leader-a").get(f"/students/{pages.people[sourced(0, 1)]}").text
    assert "By area" in other and "Carried from" not in other and "partly carried" not in other


def test_the_scorecard_keeps_its_order_and_has_no_p_value_before_the_method(pages: Any) -> None:
    text = pages.client("central").get("/pilots/pilot-fractions").text
    order = ["Decision", "Why", "How sure", "For whom", "Did it happen", "What it cost", "What next"]
    places = [text.index(f">{heading}</h2>") for heading in order]
    assert places == sorted(places)
    assert not re.search(r"p-value|\(p [0-9<]", text[: text.rindex("The numbers behind it")])
    assert "Very confident" in text and "under 10" in text
    both = "chance 97 %: 98 % by the plan&#39;s prior, 97 % by 141 large trials"
    assert "What must not get worse" in text and "attendance: safe" in text
    assert both in text, "what is told, and each prior by itself"
    assert "pretest corrected for its error" in text and "SD of comparison pupils of the same grade" in text
    assert text.count("<svg") >= 2 and "<caption>Estimates</caption>" in text


def test_the_scorecard_as_a_tagged_pdf(pages: Any) -> None:
    answer = pages.client("engineer").get("/pilots/pilot-fractions.pdf")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-") and b"StructTreeRoot" in answer.content
    assert b"pdfuaid" in answer.content


def test_recording_a_decision(pages: Any) -> None:
    from tests.portal.conftest import submit

    client, page = pages.client("central"), "/pilots/pilot-fractions"
    refused = submit(client, page, f"{page}/decision", decision="STOP", reason="")
    assert refused.status_code == 422 and "Say why" in refused.text
    done = submit(client, page, f"{page}/decision", decision="NEXT WAVE", reason="Two schools asked first.")
    assert done.status_code == 303
    rows = lake.read(pages.settings, "gold.pilot_decision").to_pylist()
    assert [(row["pilot_id"], row["decision"], row["recommendation"]) for row in rows] == [
        ("pilot-fractions", "NEXT WAVE", "SCALE")
    ]
    (account,) = [one for one in list_accounts(pages.settings) if one.name == "central"]
    assert (rows[0]["decided_by"], rows[0]["decided_by_role"]) == (f"central ({account.account_id})", "central_office")
    assert rows[0]["evaluation_id"] == EVALUATION_ID, "the evaluation on the page, which its own publication records"
    assert lake.read(pages.settings, "gold.pilot_result").num_rows == 0
    text = client.get(page).text
    assert "Two schools asked first." in text and f"by central ({account.account_id}), Central office" in text
    assert submit(pages.client("engineer"), "/pilots", f"{page}/decision", decision="SCALE").status_code == 403


def test_forms_without_our_token_are_refused(pages: Any) -> None:
    client = pages.anonymous()
    assert client.post("/login", data={"name": "central", "password": "correct horse 7"}).status_code == 403
    central = pages.client("central")
    assert central.post("/pilots/pilot-fractions/decision", data={"decision": "SCALE"}).status_code == 403
    assert central.post("/logout", data={}).status_code == 403


def test_sign_in_refusal_says_nothing_of_the_name_and_cookie_is_closed(pages: Any) -> None:
    from tests.portal.conftest import submit

    client = pages.anonymous()
    answer = submit(client, "/login", "/login", name="central", password="not this one")
    assert answer.status_code == 401 and "do not fit" in answer.text
    cookie = client.get("/login").request.headers["cookie"]
    assert "cairn_" in cookie
    header = pages.anonymous().get("/login").headers["set-cookie"].lower()
    assert "httponly" in header and "samesite=lax" in header


def test_a_removed_account_ends_its_session(pages: Any) -> None:
    from answers.accounts import add_account, remove_account
    from tests.portal.conftest import submit

    password = add_account(pages.settings, "guest", "engineer")
    client = pages.anonymous()
    submit(client, "/login", "/login", name="guest", password=password)
    assert client.get("/operations").status_code == 200
    remove_account(pages.settings, "guest")
    assert client.get("/operations").status_code == 303


def test_signing_out(pages: Any) -> None:
    from tests.portal.conftest import PASSWORD, submit

    client = pages.anonymous()
    submit(client, "/login", "/login", name="engineer", password=PASSWORD)
    assert submit(client, "/logout", "/logout").status_code == 303
    assert client.get("/operations").status_code == 303


def test_reports_stay_in_their_folder(pages: Any) -> None:
    folder = pages.settings.reports_dir / "data_docs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text("<p>Data Docs</p>")
    client = pages.client("engineer")
    address = client.get("/operations/data-docs/").headers["location"]
    assert address.startswith("/operations/reports/") and address.endswith("/data-docs/index.html")
    assert client.get("/operations/data-docs/index.html").headers["location"] == address
    base = address.removesuffix("index.html")
    for path in ("..%2f..%2faccounts.sqlite", "%2e%2e/%2e%2e/accounts.sqlite", "/etc/passwd", "n" * 300, "%00"):
        assert client.get(f"{base}{path}").status_code == 404


def test_operations_says_what_runs_and_what_does_not(pages: Any) -> None:
    import json
    import os

    import psutil

    state = pages.settings.stack_state_path
    state.parent.mkdir(parents=True, exist_ok=True)
    mine = {"address": "http://127.0.0.1:1/", "pid": os.getpid(), "pid_created": psutil.Process().create_time()}
    other = mine | {"pid_created": mine["pid_created"] - 1000}  # type: ignore[operator]
    state.write_text(json.dumps({"stack_id": "x", "services": {"portal": mine, "gateway": other}}))
    try:
        text = pages.client("engineer").get("/operations").text
    finally:
        state.unlink()
    assert "Running" in text and "Stopped" in text and "Everything is explained" in text


def test_health_needs_no_account(pages: Any) -> None:
    assert pages.anonymous().get("/health").json() == {"status": "ok"}
    assert pages.client("engineer").get("/health").json()["releases"]["learning"] == LEARNING_ID


def test_before_the_first_release_pages_say_so(settings: Settings) -> None:
    from answers.accounts import add_account
    from tests.portal.conftest import PASSWORD, submit

    add_account(settings, "leader", "school_leader", "school-a", PASSWORD)
    add_account(settings, "central", "central_office", None, PASSWORD)
    for name, path, status in (
        ("leader", "/schools/school-a", 503),
        ("central", "/", 200),
        ("central", "/pilots", 200),
    ):
        with TestClient(create_app(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
            submit(client, "/login", "/login", name=name, password=PASSWORD)
            answer = client.get(path)
            assert answer.status_code == status


def test_a_page_stays_with_the_releases_it_pinned(settings: Settings) -> None:
    import dataclasses
    import shutil

    from releases import store
    from tests.portal.fixture_release import publish_fixture

    publish_fixture(settings)
    reader = Reader(settings)
    pinned = reader.pin()
    assert pinned.learning is not None and reader.pin().learning is pinned.learning
    old = store.current(settings, "learning")
    assert old is not None
    folder = old.path.parent.parent / "learning-2026-10-14-2"
    shutil.copytree(old.path.parent, folder)
    newer = dataclasses.replace(old, release_id=folder.name, path=folder / "warehouse.duckdb")
    store.save(newer)
    store.swap(settings, newer)
    after = reader.pin()
    assert after.learning is not None and after.learning.release_id == "learning-2026-10-14-2"
    assert pinned.learning.release_id == LEARNING_ID and pinned.learning.rows("select 1 as one") == [{"one": 1}]
