"""A OneRoster 1.2 service over HTTP with OAuth 2, for tests: pages, filters, tokens that run out, failures."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CLIENT, SECRET = "cairn", "s3cret/:not to be shown"
BASE = "/ims/oneroster/rostering/v1p2"
GRADEBOOK = "/ims/oneroster/gradebook/v1p2"


@dataclass
class Service:
    """What the service holds and how it misbehaves.

    ``largest_page``: it gives no more records a page, whatever it is asked for. ``tells``: total, link, both,
    none, or elsewhere (a link to another server).
    ``failures``: answers to give first, by collection (or token): (status, headers). ``token_uses``: requests that a
    token is good for.
    """

    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    largest_page: int = 2
    tells: str = "total"
    failures: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=lambda: defaultdict(list))
    token_uses: int = 10_000
    broken: str = ""
    address: str = ""
    requests: list[str] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)

    def asked(self, collection: str) -> list[dict[str, str]]:
        """Parameters of the requests for a collection, in order."""
        found = [urlsplit(path) for path in self.requests]
        return [
            {name: values[0] for name, values in parse_qs(url.query).items()}
            for url in found
            if url.path.endswith(f"/{collection}")
        ]

    def page(self, collection: str, query: dict[str, list[str]]) -> tuple[list[dict[str, Any]], int]:
        """The page that is asked for, and how many records there are."""
        offset, limit = int(query["offset"][0]), min(int(query["limit"][0]), self.largest_page)
        chosen = self.records[collection]
        if "filter" in query:
            (since,) = re.findall(r"dateLastModified>'([^']+)'", query["filter"][0])
            chosen = [record for record in chosen if record["dateLastModified"] > since]
        return chosen[offset : offset + limit], len(chosen)


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """The service on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """No line a request."""

        def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _fails(self, what: str) -> bool:
            if not service.failures[what]:
                return False
            status, headers = service.failures[what].pop(0)
            self._answer(status, {"imsx_codeMajor": "failure"}, headers)
            return True

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if self._fails("token"):
                return
            wanted = base64.b64encode(b"cairn:s3cret%2F%3Anot%20to%20be%20shown").decode()
            is_basic = self.headers.get("Authorization") == f"Basic {wanted}"
            is_post = form.get("client_id") == [CLIENT] and form.get("client_secret") == [SECRET]
            if not (is_basic or is_post) or form.get("grant_type") != ["client_credentials"] or "scope" not in form:
                self._answer(401, {"error": "invalid_client"})
                return
            token = f"token-{len(service.tokens)}"
            service.tokens[token] = service.token_uses
            self._answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600})

        def do_GET(self) -> None:
            service.requests.append(self.path)
            url = urlsplit(self.path)
            collection = url.path.rpartition("/")[2]
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if service.tokens.get(token, 0) <= 0:
                self._answer(401, {"imsx_codeMajor": "failure"})
                return
            service.tokens[token] -= 1
            if self._fails(collection):
                return
            if collection == service.broken:
                self._answer(200, {"error": "no such thing"})
                return
            query = parse_qs(url.query)
            records, total = service.page(collection, query)
            headers = {}
            if service.tells in ("total", "both"):
                headers["X-Total-Count"] = str(total)
            after = int(query["offset"][0]) + len(records)
            if service.tells in ("link", "both") and after < total:
                rest = "&".join(f"{name}={values[0]}" for name, values in query.items() if name == "limit")
                headers["Link"] = f'<{url.path}?{rest}&offset={after}>; rel="next"'
            elif service.tells in ("link", "both"):
                headers["Link"] = f'<{url.path}?offset=0&limit=1>; rel="first"'
            elif service.tells == "elsewhere":
                headers["Link"] = f'<http://elsewhere.example{url.path}>; rel="next"'
            self._answer(200, {collection: records}, headers)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


EARLY, LATE = "2026-09-01T00:00:00.000Z", "2126-09-02T00:00:00.000Z"


def one_school(pupils: int = 5) -> dict[str, list[dict[str, Any]]]:
    """A school, a class, ``pupils`` pupils of whom the first is an English learner, and results of one line item."""

    def record(sourced_id: str, **values: Any) -> dict[str, Any]:
        return {"sourcedId": sourced_id, "status": "active", "dateLastModified": EARLY, **values}

    def ref(sourced_id: str, kind: str) -> dict[str, str]:
        return {"sourcedId": sourced_id, "type": kind, "href": f"https://sis.example/{kind}s/{sourced_id}"}

    names = [f"u{number}" for number in range(pupils)]
    return defaultdict(
        list,
        {
            "orgs": [
                record("s1", name="One", type="school", parent=ref("d1", "org")),
                record("d1", name="D", type="district"),
            ],
            "academicSessions": [
                record("t1", title="Fall", type="term", startDate="2026-08-17", endDate="2027-06-05", schoolYear=2027)
            ],
            "courses": [
                record("k1", title="Maths", grades=["04", "05"], subjects=["Numbers, and shapes"], org=ref("s1", "org"))
            ],
            "classes": [
                record("c1", title="A", school=ref("s1", "org"), course=ref("k1", "course"), terms=[ref("t1", "term")])
            ],
            "users": [
                record(
                    name,
                    enabledUser=True,
                    username=name,
                    givenName="Given",
                    familyName="Family",
                    email=f"{name}@alder.example",
                    grades=["04"],
                    primaryOrg=ref("s1", "org"),
                    roles=[{"roleType": "primary", "role": "student", "org": ref("s1", "org")}],
                    metadata={"englishLearner": name == "u0"},
                    password="never kept",
                    userProfiles=[
                        {
                            "vendorId": "app.example",
                            "applicationId": "reader",
                            "credentials": [{"type": "password", "username": f"app-{name}", "password": "never kept"}],
                        }
                    ],
                )
                for name in names
            ],
            "enrollments": [
                record(
                    f"e-{name}",
                    role="student",
                    user=ref(name, "user"),
                    school=ref("s1", "org"),
                    beginDate="2026-08-17",
                    **{"class": {"href": "https://sis.example/classes/c1"}},
                )
                for name in names
            ],
            "demographics": [record(name, sex="female", birthDate="2016-02-03", asian="true") for name in names],
            "lineItems": [record("l1", title="Quiz", **{"class": ref("c1", "class")})],
            "results": [
                record(
                    "r1",
                    lineItem=ref("l1", "lineItem"),
                    student=ref("u0", "user"),
                    scoreStatus="fully graded",
                    score=8.5,
                    scoreDate="2026-10-01",
                    comment="never kept",
                    learningObjectiveSet=[
                        {"source": "case", "learningObjectiveResults": [{"learningObjectiveId": "k-1", "score": 3}]}
                    ],
                )
            ],
        },
    )
