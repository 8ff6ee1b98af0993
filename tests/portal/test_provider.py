"""Signing in by a real identity provider: roles by group and roster, and attacks on the way."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.testclient import TestClient

import lake
from answers import accounts
from answers.accounts import Account, list_accounts
from cairn.errors import CairnError
from cairn.settings import Settings
from portal import oidc, sessions
from portal.app import create_app
from tests.portal.conftest import PASSWORD, Pages, submit
from tests.portal.fixture_release import sourced

CLIENT = "cairn-portal"
CALLBACK = "/login/provider/callback"
RULES = {
    "ask": "the office in room 4",
    "groups_claim": "groups",
    "groups": [
        {"group": "cairn-central", "role": "central_office"},
        {"group": "birch-leaders", "role": "school_leader", "school": "school-b"},
    ],
    "people": [{"claim": "employee_number", "kind": "sourcedId", "verified": "employee_verified"}],
    "roster_roles": {"teacher": "teacher", "principal": "school_leader"},
    "reasons": {"audit": "An audit"},
}
# To the provider itself, as people's browsers go there.
OUTSIDE = httpx.Client(trust_env=False, verify=False)
PEOPLE = {
    "teacher-0-0": ("teacher", "school-a"),
    "teacher-0-1": ("principal", "school-a"),
    sourced(0, 0): ("student", "school-a"),
}


@dataclass
class District:
    """The fixture's portal with an identity provider, and the provider's people."""

    settings: Settings
    people: dict[str, str]
    app: Starlette

    def person(self, subject: str, **claims: Any) -> None:
        """Give a person of the provider these claims."""
        answer = OUTSIDE.put(f"{self.settings.oidc_issuer}/users/{subject}", json=claims)
        assert answer.status_code == 204

    def browser(self) -> TestClient:
        """A browser that has not signed in."""
        return TestClient(self.app, base_url="http://portal.example", follow_redirects=False)

    def with_settings(self, **changes: Any) -> District:
        """The same with other settings."""
        settings = self.settings.model_copy(update=changes)
        return replace(self, settings=settings, app=create_app(settings))

    def rules(self, **changes: Any) -> None:
        """Write access.yaml."""
        self.settings.district_dir.mkdir(exist_ok=True)
        (self.settings.district_dir / "access.yaml").write_text(yaml.safe_dump(RULES | changes))


@pytest.fixture(scope="module")
def roster(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake in which the roster knows the three of PEOPLE."""
    settings = pages.settings.model_copy(update={"lake_url": str(tmp_path_factory.mktemp("lake"))})
    known = {"grade": None, "is_enabled": True, "status": "active", "recorded_from": datetime.now(UTC)}
    rows = [
        {"student_key": pages.people[number], "role": role, "school_id": school, "recorded_to": None, **known}
        for number, (role, school) in PEOPLE.items()
    ]
    lake.append(settings, "silver.person", rows)
    return settings.lake_url


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of a provider in a process of its own."""
    program = [sys.executable, str(Path(__file__).with_name("provider_process.py"))]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        OUTSIDE.close()
        process.kill()


@pytest.fixture(scope="module")
def served(pages: Pages, issuer: str, roster: str, tmp_path_factory: pytest.TempPathFactory) -> District:
    """The portal with the provider in its settings, made once."""
    home = tmp_path_factory.mktemp("provider")
    changes = {
        "oidc_issuer": issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret_file": str(home / "secret"),
        "district_dir": home / "district",
        "lake_url": roster,
    }
    (home / "secret").touch(mode=0o600)
    (home / "secret").write_text("only ours\n")
    settings = pages.settings.model_copy(update=changes)
    return District(settings, pages.people, create_app(settings))


@pytest.fixture
def district(served: District) -> District:
    """The district with its rules as they are at first."""
    served.rules()
    return served


def begin(browser: TestClient, page: str = "/login/provider") -> str:
    """Begin a sign-in; the provider's address."""
    answer = browser.get(page)
    assert answer.status_code == 303
    return str(answer.headers["location"])


def at_provider(where: str, subject: str) -> str:
    """Sign in at the provider; the path and query it sends the browser back to."""
    answer = OUTSIDE.post(where, data={"sub": subject})
    assert answer.status_code == 302
    back = urlsplit(answer.headers["location"])
    assert (back.netloc, back.path) == ("portal.example", CALLBACK)
    return f"{back.path}?{back.query}"


def sign_in(district: District, subject: str, page: str = "/login/provider") -> tuple[TestClient, httpx.Response]:
    browser = district.browser()
    answer = browser.get(at_provider(begin(browser, page), subject))
    return browser, answer


def account_of(district: District, name: str) -> Account:
    (found,) = [one for one in list_accounts(district.settings) if one.name == name]
    return found


def test_what_is_asked_of_the_provider(district: District) -> None:
    asked = parse_qs(urlsplit(begin(district.browser())).query)
    assert (asked["response_type"], asked["client_id"]) == (["code"], [CLIENT])
    assert asked["redirect_uri"] == [f"http://portal.example{CALLBACK}"]
    assert asked["code_challenge_method"] == ["S256"] and len(asked["code_challenge"][0]) == 43
    assert "openid" in asked["scope"][0].split() and len(asked["state"][0]) >= 20 and len(asked["nonce"][0]) >= 20


def test_a_group_gives_its_role_and_the_account_is_made_once(district: District) -> None:
    district.person("c1", preferred_username="ines.office", groups=["staff", "cairn-central"])
    browser, answer = sign_in(district, "c1", "/login/provider?next=/rollout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/rollout")
    assert browser.get("/rollout").status_code == 200
    first = account_of(district, "ines.office")
    assert (first.role, first.school_id, first.issuer) == ("central_office", None, district.settings.oidc_issuer)
    sign_in(district, "c1")
    assert account_of(district, "ines.office") == first


def test_a_leaders_group_names_the_school(district: District) -> None:
    district.person("l1", preferred_username="birch.leader", groups="birch-leaders")
    browser, answer = sign_in(district, "l1")
    assert answer.status_code == 303 and browser.get("/").headers["location"] == "/schools/school-b"
    assert browser.get("/schools/school-a").status_code == 403


def test_the_roster_gives_teachers_their_classes_and_principals_their_school(district: District) -> None:
    for subject, number in (("t1", "teacher-0-0"), ("p1", "teacher-0-1")):
        district.person(subject, preferred_username=subject, employee_number=number, employee_verified=True)
    teacher, _ = sign_in(district, "t1")
    assert teacher.get("/").headers["location"] == "/classes"
    assert account_of(district, "t1").teacher_key == district.people["teacher-0-0"]
    principal, _ = sign_in(district, "p1")
    assert principal.get("/").headers["location"] == "/schools/school-a"
    assert account_of(district, "p1").school_id == "school-a"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"groups": ["staff"]},
        {"groups": {"cairn-central": True}},
        {"employee_number": sourced(0, 0), "employee_verified": True},
        {"employee_number": "teacher-0-0"},
        {"employee_number": "teacher-0-0", "employee_verified": False},
        {"employee_number": "teacher-9-9", "employee_verified": True},
        {"employee_number": ["teacher-0-0"], "employee_verified": True},
    ],
    ids=["nothing", "another group", "no list", "a pupil", "unverified", "false", "unknown", "no text"],
)
def test_whoever_has_no_role_opens_nothing_and_is_told_whom_to_ask(district: District, claims: dict[str, Any]) -> None:
    district.person("n1", preferred_username="nobody.here", **claims)
    browser, answer = sign_in(district, "n1")
    assert answer.status_code == 403 and "the office in room 4" in answer.text and "nobody.here" not in answer.text
    assert browser.get("/rollout").headers["location"].startswith("/login")
    assert "nobody.here" not in {one.name for one in list_accounts(district.settings)}


def test_a_name_that_is_taken_takes_nothing_over(district: District) -> None:
    local = account_of(district, "central")
    district.person("x1", preferred_username="central", groups=["birch-leaders"])
    browser, _ = sign_in(district, "x1")
    assert browser.get("/rollout").status_code == 403
    assert account_of(district, "central") == local
    assert [one.role for one in list_accounts(district.settings) if one.name.startswith("central-")] == [
        "school_leader"
    ]
    with pytest.raises(CairnError, match="no account"):
        accounts.set_password(
            district.settings, next(one.name for one in list_accounts(district.settings) if one.issuer)
        )


def test_a_role_that_is_taken_away_ends_the_sessions(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "CHECKED_EVERY_SECONDS", 0)
    district.person("c2", preferred_username="two", groups=["cairn-central"])
    district.person("t2", preferred_username="t2", employee_number="teacher-0-0", employee_verified="true")
    central, teacher = sign_in(district, "c2")[0], sign_in(district, "t2")[0]
    assert central.get("/rollout").status_code == 200 and teacher.get("/").headers["location"] == "/classes"
    district.rules(groups=[])
    assert central.get("/rollout").headers["location"].startswith("/login")
    assert teacher.get("/").headers["location"] == "/classes"
    district.rules(roster_roles={})
    assert teacher.get("/").headers["location"] == "/login"
    assert not {"two", "t2"} & {one.name for one in list_accounts(district.settings)}


def test_a_group_that_is_lost_at_the_provider_ends_the_sessions_at_the_next_sign_in(district: District) -> None:
    district.person("c3", preferred_username="three", groups=["cairn-central"])
    before, _ = sign_in(district, "c3")
    district.person("c3", preferred_username="three", groups=["birch-leaders"])
    sign_in(district, "c3")
    assert before.get("/rollout").status_code == 303, "another role: signed in anew"
    district.person("c3", preferred_username="three", groups=[])
    assert sign_in(district, "c3")[1].status_code == 403
    assert "three" not in {one.name for one in list_accounts(district.settings)}


def test_signing_out_ends_our_session_and_leads_to_the_providers(district: District) -> None:
    district.person("c4", preferred_username="four", groups=["cairn-central"])
    browser, _ = sign_in(district, "c4")
    cookie = dict(browser.cookies)
    answer = submit(browser, "/logout", "/logout")
    assert answer.headers["location"] == "/signed-out"
    copy = district.browser()
    copy.cookies.update(cookie)
    assert copy.get("/rollout").status_code == 303
    text = browser.get("/signed-out").text
    assert f'href="{district.settings.oidc_issuer}/oauth2/end_session?' in text and "portal.example%2Flogin" in text


def test_passwords_stay_beside_it_and_can_be_turned_off(district: District) -> None:
    browser = district.browser()
    text = browser.get("/login?next=/rollout").text
    assert "/login/provider?next=/rollout" in text and 'name="password"' in text
    assert submit(browser, "/login", "/login", name="central", password=PASSWORD).status_code == 303
    without = district.with_settings(portal_local_accounts=False).browser()
    assert 'name="password"' not in without.get("/login").text
    assert without.post("/login", data={"name": "central", "password": PASSWORD}).status_code == 403


# Attacks.


def test_an_answer_to_another_browser_fits_nothing(district: District) -> None:
    district.person("c5", preferred_username="five", groups=["cairn-central"])
    attacker, victim = district.browser(), district.browser()
    answer = at_provider(begin(attacker), "c5")
    assert victim.get(answer).status_code == 400, "no state"
    begin(victim)
    assert victim.get(answer).status_code == 400, "another state"
    assert victim.get("/rollout").status_code == 303
    forged = at_provider(begin(attacker), "c5").replace("state=", "state=x")
    assert attacker.get(forged).status_code == 400
    assert attacker.get("/rollout").status_code == 303


def test_an_answer_is_good_once(district: District) -> None:
    district.person("c6", preferred_username="six", groups=["cairn-central"])
    browser = district.browser()
    where = begin(browser)
    cookie = dict(browser.cookies)
    answer = at_provider(where, "c6")
    assert browser.get(answer).status_code == 303
    replay = district.browser()
    replay.cookies.update(cookie)
    assert replay.get(answer).status_code == 400, "the state was used"
    begin(replay)
    code = parse_qs(urlsplit(answer).query)["code"][0]
    fresh = at_provider(begin(replay), "c6")
    stolen = fresh.replace(parse_qs(urlsplit(fresh).query)["code"][0], code)
    assert replay.get(stolen).status_code == 400, "the code was used"


def test_a_code_of_another_sign_in_is_not_taken(district: District) -> None:
    """PKCE and nonce: a code that was issued for what the attacker began, injected into what the victim began."""
    district.person("c7", preferred_username="seven", groups=["cairn-central"])
    attacker, victim = district.browser(), district.browser()
    theirs, ours = at_provider(begin(attacker), "c7"), at_provider(begin(victim), "c7")
    codes = [parse_qs(urlsplit(one).query)["code"][0] for one in (theirs, ours)]
    assert victim.get(ours.replace(codes[1], codes[0])).status_code == 400


def test_a_code_of_another_client_is_not_taken(district: District) -> None:
    district.person("c8", preferred_username="eight", groups=["cairn-central"])
    browser = district.browser()
    other = begin(browser).replace(f"client_id={CLIENT}", "client_id=another-app")
    assert browser.get(at_provider(other, "c8")).status_code == 400


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "another-app"},
        {"aud": ["another-app", "third"]},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1_700_000_000},
        {"azp": "another-app"},
    ],
    ids="-".join,
)
def test_a_token_that_is_not_for_this_sign_in_is_not_taken(
    district: District, claims: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    district.person("c9", preferred_username="nine", groups=["cairn-central"], **claims)
    with caplog.at_level(logging.INFO, logger="cairn.portal.access"):
        browser, answer = sign_in(district, "c9")
    assert answer.status_code == 400 and browser.get("/rollout").status_code == 303
    assert next(json.loads(one.message)["what"] for one in caplog.records) == "sign-in failed"
    assert "nine" not in {one.name for one in list_accounts(district.settings)} and "nine" not in caplog.text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/%09/evil.example"])
def test_no_way_leads_elsewhere(district: District, target: str) -> None:
    district.person("c10", preferred_username="ten", groups=["cairn-central"])
    _, answer = sign_in(district, "c10", f"/login/provider?next={target}")
    assert answer.headers["location"] == "/"


def test_an_answer_of_another_provider_or_without_a_code_is_not_taken(district: District) -> None:
    district.person("c11", preferred_username="eleven", groups=["cairn-central"])
    browser = district.browser()
    mixed = at_provider(begin(browser), "c11") + "&iss=http%3A%2F%2F127.0.0.1%3A1"
    assert browser.get(mixed).status_code == 400
    state = parse_qs(urlsplit(begin(browser)).query)["state"][0]
    assert browser.get(f"{CALLBACK}?state={state}&error=access_denied").status_code == 400
    assert browser.get(CALLBACK).status_code == 400


def test_what_was_begun_too_long_ago_is_not_taken(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    district.person("c12", preferred_username="twelve", groups=["cairn-central"])
    browser = district.browser()
    answer = at_provider(begin(browser), "c12")
    monkeypatch.setattr(oidc, "BEGUN_SECONDS", -1)
    assert browser.get(answer).status_code == 400


def test_a_provider_that_is_away_or_another_is_503_and_only_that(
    district: District, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("only ours\n")
    secret.chmod(0o644)
    for changes in (
        {"oidc_issuer": "http://127.0.0.1:1"},
        {"oidc_issuer": f"{district.settings.oidc_issuer}/"},
        {"oidc_client_secret_file": str(secret)},
    ):
        browser = district.with_settings(**changes).browser()
        assert browser.get("/login/provider").status_code == 503
        assert browser.get("/login").status_code == 200
    assert "chmod 600" in caplog.text and "only ours" not in caplog.text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"oidc_issuer": "http://id.district.example"}, "https"),
        ({"oidc_client_id": ""}, "oidc_client_id"),
        ({"oidc_client_secret_file": ""}, "oidc_client_secret_file"),
        ({"oidc_scopes": "email"}, "openid"),
    ],
)
def test_settings_that_are_not_whole_say_so_at_the_start(
    district: District, changes: dict[str, str], told: str
) -> None:
    with pytest.raises(CairnError, match=told):
        create_app(district.settings.model_copy(update=changes))


def test_without_a_provider_there_are_no_such_pages(pages: Pages) -> None:
    client = pages.anonymous()
    assert {client.get(path).status_code for path in ("/login/provider", CALLBACK, "/signed-out")} == {404}
