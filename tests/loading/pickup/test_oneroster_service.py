"""OneRoster 1.2 over HTTP with OAuth 2, against a service that we start: all of it or nothing."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import lake
from cairn.district import EXAMPLES, load_yaml_mapping
from cairn.errors import CairnError
from cairn.rostering.oneroster import read_roster
from cairn.settings import Settings
from loading.history import CURRENT
from loading.pickup import oneroster_rest
from loading.pickup.config import RestPlace, Secret
from loading.pickup.oneroster_rest import fetch_package
from tests.loading.pickup.conftest import Configure, RunPickup, people, put_away, states
from tests.loading.pickup.oneroster_service import BASE, EARLY, GRADEBOOK, LATE, SECRET, Service, one_school, serving

COLLECTIONS = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("CAIRN_PICKUP_TEST_SECRET", SECRET)
    with serving(Service(records=one_school())) as running:
        yield running


def place(service: Service, **more: Any) -> RestPlace:
    given: dict[str, Any] = {
        "base_url": f"{service.address}{BASE}",
        "gradebook_url": f"{service.address}{GRADEBOOK}",
        "token_url": f"{service.address}/token",
        "client_id": "cairn",
        "client_secret": Secret("CAIRN_PICKUP_TEST_SECRET"),
        "client_auth": "basic",
        "scope": "roster.readonly",
        "collections": COLLECTIONS,
        "page_size": 1000,
        "is_delta": True,
        "whole_every_days": 7,
        "overlap_hours": 0,
        "retry_seconds": 0.5,
    }
    return RestPlace(**{**given, **more})


def source(service: Service, **more: Any) -> dict[str, Any]:
    return {
        "kind": "oneroster",
        "base_url": f"{service.address}{BASE}/",
        "gradebook_url": f"{service.address}{GRADEBOOK}",
        "token_url": f"{service.address}/token",
        "client_id": "cairn",
        "client_secret": {"env": "CAIRN_PICKUP_TEST_SECRET"},
        "retry_seconds": 0.01,
        "overlap_hours": 0,
        "every_minutes": 0,
        **more,
    }


def rows(package: Path, name: str) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return archive.read(name).decode().splitlines()


@pytest.mark.parametrize("tells", ["total", "link", "both", "none"])
@pytest.mark.parametrize("largest_page", [2, 5, 100])
def test_pages_until_the_end_however_a_service_tells_of_it(
    service: Service, tmp_path: Path, tells: str, largest_page: int
) -> None:
    service.tells, service.largest_page = tells, largest_page
    fetched = fetch_package(place(service, page_size=5), tmp_path / "r.zip", None)
    assert (len(rows(tmp_path / "r.zip", "users.csv")), fetched.record_count) == (6, 2 + 1 + 1 + 1 + 5 + 5 + 5)
    assert len(service.tokens) == 1


def test_json_becomes_a_package_of_csv_that_holds_nothing_that_is_not_used(service: Service, tmp_path: Path) -> None:
    own = ["metadata.englishLearner"]
    fetch_package(place(service, collections=(*COLLECTIONS, "lineItems", "results")), tmp_path / "r.zip", None, own)
    profiles = {"profiles": [{"kind": "account:https://app.example", "vendor": "app.example"}]}
    roster = read_roster(tmp_path / "r.zip", load_yaml_mapping(EXAMPLES / "identity.yaml") | profiles)
    assert roster.people[0].identifiers == (("account:https://app.example", "app-u0"),)
    assert (roster.version, roster.rejected, roster.unknown_columns) == ("1.2", 0, {})
    (of_class,) = roster.sections["silver.class_section"].rows
    assert (of_class["school_id"], of_class["course_id"], of_class["session_ids"]) == ("s1", "k1", ",t1,")
    (course,) = roster.sections["silver.course"].rows
    assert (course["grade"], course["subject"]) == ("04", "Numbers  and shapes")
    people = roster.sections["silver.person"].rows
    assert {(one["role"], one["school_id"], one["grade"], one["is_enabled"]) for one in people} == {
        ("student", "s1", "04", True)
    }
    assert [one["is_english_learner"] for one in roster.sections["silver.demographic"].rows] == [True, *[False] * 4]
    assert {one["race_ethnicity"] for one in roster.sections["silver.demographic"].rows} == {"asian"}
    assert {(one["class_id"], one["valid_from_date"].year) for one in roster.sections["silver.enrollment"].rows} == {
        ("c1", 2026)
    }
    facts = {one["fact_type"]: (one["name"], one["value"]) for one in roster.sections["silver.fact"].rows}
    assert facts == {"gradebook_result": ("l1", 8.5), "learning_objective_result": ("k-1", 3.0)}
    with zipfile.ZipFile(tmp_path / "r.zip") as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert b"never kept" not in whole and b"2016-02-03" not in whole


def test_a_token_that_runs_out_is_renewed_and_one_that_is_refused_at_once_is_not(
    service: Service, tmp_path: Path
) -> None:
    service.token_uses = 3
    fetch_package(place(service, client_auth="post"), tmp_path / "r.zip", None)
    assert len(service.tokens) > 3
    service.token_uses = 0
    with pytest.raises(CairnError, match=r"orgs of 127.*refuses the token that it has just given"):
        fetch_package(place(service), tmp_path / "s.zip", None)


def test_a_busy_service_is_waited_for_and_not_for_ever(service: Service, tmp_path: Path) -> None:
    waits: list[float] = []
    service.failures["token"] = [(503, {})]
    service.failures["users"] = [(429, {"Retry-After": "7"}), (500, {}), (502, {})]
    fetch_package(place(service), tmp_path / "r.zip", None, sleep=waits.append)
    assert waits == [0.5, 7.0, 1.0, 2.0], "as asked, else doubled"
    service.failures["users"] = [(503, {})] * 5
    with pytest.raises(CairnError, match=r"users of 127.*answers 503, 5 times; nothing was loaded"):
        fetch_package(place(service), tmp_path / "s.zip", None, sleep=waits.append)
    service.failures["users"] = [(429, {"Retry-After": "3600"})]
    with pytest.raises(CairnError, match=r"asks to wait for 3,600 s: the next run asks again"):
        fetch_package(place(service), tmp_path / "s.zip", None, sleep=waits.append)
    assert not (tmp_path / "s.zip").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"broken": "classes"}, "classes of .*: the answer is no JSON object with classes"),
        ({"failures": {"users": [(403, {})]}}, "users of .*: the service answers 403"),
        ({"failures": {"token": [(400, {})]}}, "token of .*: the service answers 400: check client id, secret"),
        ({"failures": {"orgs": [(302, {"Location": "http://elsewhere.example/"})]}}, "the service answers 302"),
    ],
)
def test_half_a_roster_is_none(service: Service, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    for name, value in change.items():
        getattr(service, name).update(value) if name == "failures" else setattr(service, name, value)
    with pytest.raises(CairnError, match=said):
        fetch_package(place(service), tmp_path / "r.zip", None)
    assert not (tmp_path / "r.zip").exists()


def test_half_a_character_is_said_of_its_record(service: Service, tmp_path: Path) -> None:
    service.records["users"][1]["familyName"] = "Fam\ud83d"
    with pytest.raises(
        CairnError, match=r"^users, record 2: familyName holds half of a character; nothing was loaded$"
    ):
        fetch_package(place(service), tmp_path / "r.zip", None)
    service.records["users"][1]["familyName"] = "Fam\U0001f600"
    fetch_package(place(service), tmp_path / "r.zip", None)


def test_changes_are_asked_for_from_before_the_first_answer_also_of_a_service_without_a_clock(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[datetime] = []
    monkeypatch.setattr(oneroster_rest._Answer, "clock", None)
    service.failures["demographics"] = [(503, {})]
    fetched = fetch_package(place(service), tmp_path / "r.zip", None, sleep=lambda _: waits.append(datetime.now(UTC)))
    assert fetched.until < waits[0]


@pytest.mark.parametrize(
    ("following", "is_followed"),
    [
        ("https://sis.example:443/users?offset=2", True),
        ("https://sis.example/users?offset=2", True),
        ("https://sis.example:8443/users?offset=2", False),
        ("http://sis.example/users?offset=2", False),
    ],
)
def test_a_port_that_is_the_schemes_own_is_no_other_server(service: Service, following: str, is_followed: bool) -> None:
    own = place(service, base_url="https://sis.example/v1p2")
    answer = oneroster_rest._Answer(200, {}, b"", following, has_links=True)
    with httpx.Client() as client:
        asked = oneroster_rest._Service(own, client, lambda _: None)
        if is_followed:
            assert asked._following("users", answer, 1, True, "") == following
        else:
            with pytest.raises(CairnError, match=r"^users of sis\.example: its link to the next page leads to another"):
                asked._following("users", answer, 1, True, "")


def test_records_that_are_missing_from_the_pages_are_missed(service: Service, tmp_path: Path) -> None:
    service.records["users"].append({**service.records["users"][0]})
    with pytest.raises(CairnError, match=r"users of .*: 5 of 6 records came"):
        fetch_package(place(service), tmp_path / "r.zip", None)


def test_the_token_stays_with_its_service(service: Service, tmp_path: Path) -> None:
    service.tells = "elsewhere"
    with pytest.raises(CairnError, match="leads to another server, which gets no token of this one"):
        fetch_package(place(service), tmp_path / "r.zip", None)


def test_all_at_first_then_what_changed_and_never_less_than_was_refused(
    settings: Settings, service: Service, configure: Configure, pick_up: RunPickup, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    configure(sis=source(service))
    done = pick_up()["sis"]
    assert (done.state, states(done), people(settings)) == ("done", [("oneroster-whole.zip", "loaded")], 5)
    assert "filter" not in service.asked("users")[0]
    service.requests.clear()
    nothing = pick_up()["sis"]
    assert (nothing.state, nothing.files) == ("done", [])
    since = service.asked("users")[0]["filter"]
    assert since.startswith("dateLastModified>'20") and since > f"dateLastModified>'{EARLY}'"

    gone, come = service.records["users"][0], service.records["users"][1]
    gone |= {"status": "tobedeleted", "dateLastModified": LATE}
    come |= {"grades": ["05"], "dateLastModified": LATE}
    changed = pick_up()["sis"]
    assert (changed.state, states(changed), people(settings)) == ("done", [("oneroster-changes.zip", "loaded")], 4)
    assert put_away(settings, "sis", "archive") == ["oneroster-changes.zip", "oneroster-whole.zip"]

    come |= {"enabledUser": "perhaps"}
    refused = pick_up()["sis"]
    assert (refused.state, states(refused)) == ("refused", [("oneroster-changes.zip", "loaded_in_part")])
    asked = [one["filter"] for one in service.asked("users")]
    pick_up()
    assert service.asked("users")[-1]["filter"] == asked[-1], "from where the one asked whose rows were refused"
    assert SECRET not in caplog.text and "token-0" not in caplog.text and "alder.example" not in caplog.text


def test_a_service_that_fails_half_way_or_gives_half_leaves_the_roster_as_it_was(
    settings: Settings, service: Service, configure: Configure, pick_up: RunPickup
) -> None:
    service.records = one_school(pupils=12)
    configure(sis=source(service, delta=False))
    pick_up()
    before = lake.read(settings, "silver.enrollment", filters=CURRENT).num_rows
    service.failures["enrollments"] = [(500, {})] * 5
    failed = pick_up()["sis"]
    assert failed.state == "failed" and "enrollments of 127" in failed.message
    service.records = one_school(pupils=3)
    refused = pick_up()["sis"]
    assert refused.state == "refused" and "names 3 of 12 rows" in refused.message
    pick_up()
    assert put_away(settings, "sis", "quarantine") == ["oneroster-whole.zip", "oneroster-whole.zip.reason.txt"]
    assert lake.read(settings, "silver.enrollment", filters=CURRENT).num_rows == before == people(settings) == 12


def test_a_service_is_asked_as_often_as_the_district_says(
    service: Service, configure: Configure, pick_up: RunPickup
) -> None:
    service.records = one_school(pupils=1)
    service.failures["orgs"] = [(403, {})]
    configure(sis=source(service, every_minutes=60))
    assert pick_up()["sis"].state == "failed"
    asked = len(service.requests)
    assert pick_up()["sis"].message.startswith("asked at ")
    assert len(service.requests) == asked
    service.failures["orgs"] = [(403, {})]
    assert pick_up("sis")["sis"].state == "failed", "asked for by name"
