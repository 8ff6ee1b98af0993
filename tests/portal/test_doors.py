"""What stands before the pages: sessions that end, hosts, odd paths, reports in a sandbox, refusals in the log."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from answers import accounts
from answers.accounts import add_account
from cairn.settings import Settings
from portal import sessions
from portal.app import create_app, routes
from tests.portal.conftest import PASSWORD, Pages, submit
from tests.portal.fixture_release import sourced

ODD = ["%00", "a%00b", "a" * 300, "a" * 5_000, "%ff%fe", "%0a%0d", "..%2f..", "%2e%2e", "'\"<>", "%F0%9F%97%BF", "{x}"]
PARAMETER_ROUTES = [route.path for route in routes() if isinstance(route, Route) and "{" in route.path]


def test_a_copied_cookie_is_dead_after_sign_out(pages: Pages) -> None:
    client, thief = pages.anonymous(), pages.anonymous()
    submit(client, "/login", "/login", name="leader-a", password=PASSWORD)
    thief.cookies.update(client.cookies)
    assert thief.get("/schools/school-a").status_code == 200
    assert submit(client, "/logout", "/logout").status_code == 303
    assert thief.get("/schools/school-a").status_code == 303


def _age(pages: Pages, column: str, seconds: float) -> None:
    """As if every session had begun, or been used last, so much earlier."""
    with accounts.writing(pages.settings) as database:
        database.execute(f"update session set {column} = {column} - ?", (seconds,))


@pytest.mark.parametrize(
    ("name", "page", "column", "seconds", "status"),
    [
        ("leader-a", "/schools/school-a", "seen_at", sessions.IDLE_SECONDS - 60, 200),
        ("leader-a", "/schools/school-a", "seen_at", sessions.IDLE_SECONDS + 1, 303),
        ("engineer", "/operations", "seen_at", sessions.IDLE_SECONDS + 1, 200),
        ("engineer", "/operations", "started_at", sessions.ABSOLUTE_SECONDS - 60, 200),
        ("engineer", "/operations", "started_at", sessions.ABSOLUTE_SECONDS + 1, 303),
    ],
)
def test_sessions_end_when_left_and_when_old(
    pages: Pages, name: str, page: str, column: str, seconds: float, status: int
) -> None:
    client = pages.anonymous()
    submit(client, "/login", "/login", name=name, password=PASSWORD)
    pages.clients.clear()  # their sessions age as well
    _age(pages, column, seconds)
    assert client.get(page).status_code == status


def test_a_used_session_is_not_left(pages: Pages) -> None:
    client = pages.anonymous()
    submit(client, "/login", "/login", name="leader-a", password=PASSWORD)
    pages.clients.clear()
    for _ in range(3):
        _age(pages, "seen_at", sessions.IDLE_SECONDS - 60)
        assert client.get("/schools/school-a").status_code == 200


def test_signing_in_gives_a_session_that_was_not_there_before(pages: Pages) -> None:
    client = pages.anonymous()
    client.get("/login")
    before = dict(client.cookies)
    submit(client, "/login", "/login", name="engineer", password=PASSWORD)
    fixed = pages.anonymous()
    fixed.cookies.update(before)
    assert fixed.get("/operations").status_code == 303


def test_behind_tls_cookies_are_secure_and_bound_to_the_host(settings: Settings) -> None:
    behind = settings.model_copy(update={"portal_behind_tls": True})
    add_account(behind, "engineer", "engineer", password=PASSWORD)
    with TestClient(create_app(behind), base_url="https://127.0.0.1", follow_redirects=False) as client:
        answer = submit(client, "/login", "/login", name="engineer", password=PASSWORD)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        parts = cookie.lower().replace(" ", "").split(";")
        assert parts[0].startswith("__host-cairn_")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(parts) and "domain" not in cookie.lower()


def test_without_tls_there_is_no_hsts(pages: Pages) -> None:
    assert "strict-transport-security" not in pages.anonymous().get("/login").headers


@pytest.mark.parametrize("path", ["/login", "/health", "/schools/school-a/", "/static/cairn.css"])
def test_a_foreign_host_is_refused(pages: Pages, path: str) -> None:
    client = pages.anonymous()
    for host in ("evil.example", "portal.example.evil.example", "127.0.0.1.evil.example", ""):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400 and "location" not in answer.headers
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "portal.example"):
        assert client.get("/login", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", PARAMETER_ROUTES)
@pytest.mark.parametrize("account", ["leader-a", "central", "engineer", None])
def test_no_path_is_a_failure_of_ours(pages: Pages, path: str, account: str | None) -> None:
    client = pages.client(account) if account else pages.anonymous()
    known = {"{school_id}": "school-a", "{pilot_id}": "pilot-fractions", "{report}": "data-docs", "{name}": "x.csv"}
    names = [part for part in path.replace(":path}", "}").split("/") if "{" in part]
    for odd in ODD:
        for filled in names:
            address = path.replace(":path}", "}")
            for name in names:
                wanted = odd if name == filled else known.get(name, "x")
                address = address.replace(name[name.index("{") : name.index("}") + 1], wanted)
            for method in ("GET", "POST"):
                status = client.request(method, address).status_code
                assert status < 500, (method, address[:80], status)
            if account and (len(odd) >= 5_000 or "%00" in odd or "%0a" in odd):
                assert client.get(address).status_code == 404


@pytest.mark.parametrize("odd", ODD)
def test_static_files_and_unknown_pages_are_no_failure(pages: Pages, odd: str) -> None:
    for address in (f"/static/{odd}", f"/{odd}"):
        assert pages.anonymous().get(address).status_code in (404, 400)


def test_reports_run_in_an_origin_of_their_own(pages: Pages) -> None:
    folder = pages.settings.reports_dir / "data_docs"
    (folder / "static").mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text("<script>fetch('/schools/school-a')</script>")
    (folder / "static" / "style.css").write_text("p {}")
    client = pages.client("central")
    address = client.get("/operations/data-docs/").headers["location"]
    # A sandboxed page asks for its parts without cookies: the address alone opens them, and nothing else.
    bare = pages.anonymous()
    page, style = bare.get(address), bare.get(address.replace("index.html", "static/style.css"))
    for answer in (page, style):
        policy = answer.headers["content-security-policy"].split(";")
        assert answer.status_code == 200
        assert policy[0].split() == ["sandbox", "allow-scripts"]  # no allow-same-origin, no forms, no popups
        assert answer.headers["access-control-allow-origin"] == "null"
    ticket = address.split("/")[3]
    assert bare.get("/operations").status_code == 303
    assert bare.get(f"/operations/reports/{ticket[:-2]}xx/data-docs/index.html").status_code == 403
    assert "access-control-allow-origin" not in client.get("/operations").headers
    submit(client, "/logout", "/logout")
    del pages.clients["central"]
    assert bare.get(address).status_code == 403


def test_refusals_are_in_the_log_without_keys(pages: Pages, caplog: pytest.LogCaptureFixture) -> None:
    client, key = pages.client("leader-a"), pages.people[sourced(1, 0)]
    with caplog.at_level(logging.INFO, logger="cairn.portal.access"):
        client.get(f"/students/{key}")
        client.get("/schools/school-b")
        client.get("/schools/school-a/feed/nothing.csv")
        pages.anonymous().post("/login", data={"name": "central"})
    lines: list[dict[str, Any]] = [json.loads(record.message) for record in caplog.records]
    assert [(line["what"], line["route"], line["reason"][:3]) for line in lines] == [
        ("refused", "/students/{student_key}", "403"),
        ("refused", "/schools/{school_id}", "403"),
        ("refused", "/schools/{school_id}/feed/{name:path}", "404"),
        ("refused", "/login", "403"),
    ]
    (account,) = [one for one in accounts.list_accounts(pages.settings) if one.name == "leader-a"]
    assert {line["who"] for line in lines[:3]} == {f"account {account.account_id}"}
    assert lines[3]["who"] == "nobody signed in" and key not in caplog.text


@pytest.mark.parametrize("content", ["n_min: ten", "n_min: [", "- 20"])
def test_nothing_is_shown_where_the_smallest_group_cannot_be_read(pages: Pages, content: str) -> None:
    rule = pages.settings.district_dir / "privacy.yaml"
    rule.parent.mkdir(parents=True, exist_ok=True)
    rule.write_text(content)
    try:
        for path in ("/", "/rollout", "/pilots", "/schools/school-a"):
            assert pages.client("central").get(path).status_code == 503
    finally:
        rule.unlink()
