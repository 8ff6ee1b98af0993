"""Every address with every method and every role: what docs/reference/access.md says, asked of the portal itself.

Addresses are walked, not listed: one that is added later is tried as soon as it is there.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from answers.accounts import ROLES, Account
from cairn.errors import CairnError
from feeds.write import write
from portal import access_table
from portal.access_table import Line, lines
from portal.app import create_app, routes
from portal.web import check_routes, guarded
from tests.portal.conftest import PASSWORD, Pages, submit
from tests.portal.fixture_release import pupil_name, sourced

READERS = {"school_leader": "leader-a", "teacher": "teacher-a", "central_office": "central", "engineer": "engineer"}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
# What each parameter of an address is filled with: what is the reader's own, and what is somebody else's.
OWN = {"school_id": "school-a", "class_id": "school-a-class-1", "pilot_id": "pilot-fractions"}
OWN |= {"name": "manifest.json", "report": "data-docs", "path": "index.html", "ticket": "no-ticket"}
OTHERS = [{"school_id": "school-b", "class_id": "school-b-class-1", "pupil": (1, 0)}]
OTHERS += [{"school_id": "school-x", "class_id": "x", "pupil": None}]
OTHER_CLASS = {"class_id": "school-a-class-2", "pupil": (0, 1)}
# Who may never be let in, whatever guards an address: pupils are their school's own.
NEVER = {"{student_key}": {"central_office", "engineer"}, "/classes/": {"central_office", "engineer"}}
NEVER |= {"/feed": {"central_office", "engineer"}, "/named/": {"school_leader", "teacher", "engineer"}}
NEVER |= {"/pilots": {"school_leader", "teacher"}, "/operations": {"school_leader", "teacher"}}


@pytest.fixture(scope="module")
def ready(pages: Pages) -> Pages:
    """The fixture with a feed and a report: every kind of file that is served is there."""
    write(pages.settings, school="school-a")
    folder = pages.settings.reports_dir / "data_docs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text("<p>Data Docs</p>")
    return pages


def filled(pages: Pages, path: str, values: dict[str, Any]) -> str:
    """An address with its parameters filled in."""
    pupil = values.get("pupil", (0, 0))
    key = pages.people[sourced(*pupil)] if pupil else "p_nobody"
    given_values = OWN | values | {"student_key": key}
    return re.sub(r"\{(\w+)(:path)?\}", lambda found: str(given_values.get(found[1], "something")), path)


def others_of(role: str, path: str) -> Iterator[dict[str, Any]]:
    """Somebody else's schools, classes and pupils, for addresses that narrow to one's own."""
    if role in ("school_leader", "teacher") and any(part in path for part in access_table.NARROWING):
        yield from OTHERS
        if role == "teacher" and ("{class_id}" in path or "{student_key}" in path):
            yield OTHER_CLASS


def ask(client: TestClient, method: str, path: str) -> httpx.Response:
    """A request with our form's token where it is a form."""
    if method != "POST":
        return client.request(method, path)
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/logout").text)
    return client.post(path, data={"csrf": found[1] if found else ""})


def is_refused(answer: httpx.Response) -> bool:
    """Refused as somebody who may not, not as a form that lacks something."""
    return answer.status_code == 403 or answer.headers.get("location", "").startswith("/login")


def wrong(pages: Pages, clients: dict[str, TestClient], served: Sequence[Line]) -> list[str]:
    """What is not as the table says, over every address, method and role."""
    with ExitStack() as entered:
        # One event loop a client, and not one a request.
        for client in clients.values():
            entered.enter_context(client)
        return _wrong(pages, clients, served)


def _wrong(pages: Pages, clients: dict[str, TestClient], served: Sequence[Line]) -> list[str]:
    found = []
    for line, method in itertools.product(served, METHODS):
        own = filled(pages, line.path, {})
        wanted = "GET" if method == "HEAD" else method
        if wanted not in line.methods:
            among = [one for one in served if one.path == line.path and wanted in one.methods]
            answers = {role: client.request(method, own).status_code for role, client in clients.items()}
            if not among and set(answers.values()) != {405}:
                found.append(f"{method} {line.path}: {answers}, not 405")
            continue
        for role, client in clients.items():
            answer = ask(client, method, own)
            told = f"{role} {method} {own}: {answer.status_code}"
            if answer.status_code >= 500:
                found.append(told)
            elif line.path.startswith("/feeds/"):
                # By token alone: whoever is signed in is nobody here.
                found += [] if answer.status_code in (401, 429) else [told]
            elif line.why:
                continue
            elif role == "nobody":
                found += [] if answer.headers.get("location", "").startswith("/login") else [told]
            elif is_refused(answer) != (role not in line.roles):
                found.append(told)
            for other in others_of(role, line.path) if role in line.roles else ():
                theirs = ask(client, method, filled(pages, line.path, other))
                found += [] if theirs.status_code == 403 else [f"{role} {method} {line.path} {other}: not 403"]
    return found


def clients_of(pages: Pages) -> dict[str, TestClient]:
    return {"nobody": pages.anonymous()} | {role: pages.client(name) for role, name in READERS.items()}


def test_every_address_opens_to_whom_the_table_says(ready: Pages) -> None:
    served = [one for one in lines(routes()) if not one.path.startswith(("/logout", "/static"))]
    assert len(served) > 20 and {"GET", "POST"} == {method for one in served for method in one.methods}
    assert wrong(ready, clients_of(ready), served) == []


def test_the_table_in_the_docs_is_of_now() -> None:
    assert access_table.main(["--check"]) == 0, "run 'python -m portal.access_table' and look at what changed"


@pytest.mark.parametrize("part", NEVER)
def test_some_roles_never_open_some_addresses(part: str) -> None:
    there = [one for one in lines(routes()) if part in one.path and (part == "/named/" or "/named/" not in one.path)]
    assert there and not [one.path for one in there if NEVER[part] & set(one.roles)]


def test_addresses_that_come_later_are_tried_too(ready: Pages) -> None:
    def made(roles: tuple[str, ...]) -> Route:
        @guarded(*roles)
        def page(request: Request, account: Account) -> Response:
            return PlainTextResponse(account.role)

        return Route(f"/later/{'-'.join(roles)}", page, methods=["GET"])

    added = [made(roles) for count in (1, 2) for roles in itertools.combinations(ROLES, count)]
    app = create_app(ready.settings)
    app.router.routes.extend(added)
    clients = {"nobody": TestClient(app, base_url="http://portal.example", follow_redirects=False)}
    for role, name in READERS.items():
        clients[role] = TestClient(app, base_url="http://portal.example", follow_redirects=False)
        assert submit(clients[role], "/login", "/login", name=name, password=PASSWORD).status_code == 303
    assert wrong(ready, clients, lines(added)) == []
    # And where a guard does not hold, it is found.
    lying = [Line(one.path, one.methods, ("engineer",), "") for one in lines(added) if "teacher" in one.path]
    assert len(wrong(ready, clients, lying)) >= len(lying)


def test_an_address_that_nobody_guards_is_not_served() -> None:
    def page(request: Request) -> Response:
        return PlainTextResponse("open")

    with pytest.raises(CairnError, match="/open is open to anybody"):
        check_routes([*routes(), Route("/open", page)], ["/static"])


def test_every_file_of_a_feed_is_the_schools_own(ready: Pages) -> None:
    folder = next(ready.settings.feeds_dir.glob("*/school-a"))
    names = [str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()]
    opened = {
        name for name in names if ready.client("leader-a").get(f"/schools/school-a/feed/{name}").status_code == 200
    }
    assert {name.rsplit(".", 1)[-1] for name in opened} >= {"csv", "json", "html"}
    assert not [name for name in opened if name.startswith(".")], "which pupils a file names stays here"
    for name in names:
        path = f"/schools/school-a/feed/{name}"
        for reader in ("leader-b", "teacher-a", "central", "engineer"):
            assert ready.client(reader).get(path).status_code == 403, (reader, name)
        assert ready.anonymous().get(path).status_code == 303


def test_an_engineer_sees_no_name_and_no_whole_key(ready: Pages) -> None:
    names = [" ".join(pupil_name(school, number)) for school in range(3) for number in range(32)]
    client = ready.client("engineer")
    pages = [filled(ready, one.path, {}) for one in lines(routes()) if "GET" in one.methods and "engineer" in one.roles]
    assert "/operations" in pages and "/schools/school-a" in pages
    for path in pages:
        text = client.get(path).text
        assert not [one for one in (*names, *ready.people.values()) if one in text], path


# Segments that have broken file systems, databases or decoders before: each also stands for a whole class.
ODD = (
    b"\x00",
    b"..",
    b"/",
    b"\\",
    b"%",
    b"%2f",
    b"\xff\xfe",
    b"'\"; --",
    b"\n",
    "Ω".encode(),
    "𝒳".encode(),
    b"n" * 300,
)
SEGMENTS = st.one_of(st.sampled_from(ODD), st.binary(min_size=1, max_size=40), st.text(max_size=20).map(str.encode))
PATHS = sorted({one.path for one in lines(routes()) if "GET" in one.methods and "*" not in one.path})


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(PATHS),
    segments=st.lists(SEGMENTS, min_size=3, max_size=3),
    reader=st.sampled_from([*READERS.values(), None]),
    asked=st.tuples(st.sampled_from(["next", "page", "class", "kind", "on", "all", "state", "code"]), SEGMENTS),
)
@example(
    path="/operations/{report}/{path:path}", segments=[b"data-docs", b"\x00", b""], reader="engineer", asked=("on", b"")
)
@example(path="/students/{student_key}", segments=[b"n" * 5_000, b"", b""], reader="leader-a", asked=("on", b"\x00"))
def test_no_address_fails(
    ready: Pages, path: str, segments: list[bytes], reader: str | None, asked: tuple[str, bytes]
) -> None:
    left = iter(segments)
    address = re.sub(r"\{[^}]+\}", lambda _: quote_from_bytes(next(left), safe=""), path)
    client = ready.client(reader) if reader else ready.anonymous()
    answer = client.get(f"{address}?{asked[0]}={quote_from_bytes(asked[1], safe='')}")
    assert answer.status_code < 500, (address, answer.status_code)


def test_health_names_nothing(ready: Pages) -> None:
    assert json.loads(ready.anonymous().get("/health").text) == {"status": "ok"}
