"""States of pages beside the usual one, for tests and pictures: empty, old, held back, refused, not there, failed."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cairn.settings import Settings
from portal.app import create_app

LEADER, TEACHER, CENTRAL, ENGINEER = "leader", "teacher", "central", "engineer"
SCHOOL = "/schools/school-a"


@dataclass(frozen=True)
class State:
    """A page in a state: ``who`` opens it, ``says`` what it says of the state, and ``next_step`` what to do."""

    name: str
    who: str
    path: str
    status: int
    says: str
    next_step: str


NOTHING = "Nothing has been published yet."
LATER = "Come back later. If it stays so tomorrow, tell the district’s data office."
FROZEN = "It shows here when its plan is frozen and a night has run."
FIRST_NIGHT = "The first night publishes the first answers."
# Of a home in which no night has run.
EMPTY = (
    State("school", LEADER, SCHOOL, 503, NOTHING, LATER),
    State("list", LEADER, f"{SCHOOL}/needs-adult", 503, NOTHING, LATER),
    State("feed", LEADER, f"{SCHOOL}/feed", 503, NOTHING, LATER),
    State("classes", TEACHER, "/classes", 503, NOTHING, LATER),
    State("overview", CENTRAL, "/", 200, "No release has been published yet.", FIRST_NIGHT),
    State("pilots", CENTRAL, "/pilots", 200, "No pilot has been evaluated yet.", FROZEN),
    State("rollout", CENTRAL, "/rollout", 200, "No rollout has been evaluated yet.", FROZEN),
    State("equity", CENTRAL, "/equity", 200, "Not yet: no numbers by group of pupils are published.", "first night"),
    State("releases", CENTRAL, "/releases", 200, "Not yet: nothing has been published.", "first night"),
    State("reason", CENTRAL, "/named/schools/school-a", 503, NOTHING, LATER),
    State("operations", ENGINEER, "/operations", 200, "No stack of this home runs.", "cairn up"),
)
OLD_NEXT = "If it stays so tomorrow, tell the district’s data office."
OLD = tuple(
    State(name, who, path, 200, "An older answer.", OLD_NEXT)
    for name, who, path in (
        ("school", LEADER, SCHOOL),
        ("list", LEADER, f"{SCHOOL}/needs-adult"),
        ("by-class", LEADER, f"{SCHOOL}/by-class"),
        ("classes", TEACHER, "/classes"),
        ("class", TEACHER, f"{SCHOOL}/classes/school-a-class-1"),
        ("overview", CENTRAL, "/"),
        ("pilots", CENTRAL, "/pilots"),
        ("pilot", CENTRAL, "/pilots/pilot-fractions"),
        ("rollout", CENTRAL, "/rollout"),
        ("equity", CENTRAL, "/equity"),
        ("releases", CENTRAL, "/releases"),
        ("totals", CENTRAL, SCHOOL),
        ("operations", ENGINEER, "/operations"),
    )
)
HELD_NEXT = "You need not mend it: the district’s data office looks at the check."
HELD = (
    State("school", "leader-b", "/schools/school-b", 200, "Held back.", HELD_NEXT),
    State("class", "leader-b", "/schools/school-b/classes/school-b-class-1", 200, "Held back.", HELD_NEXT),
    State("totals", CENTRAL, "/schools/school-b", 200, "Held back.", HELD_NEXT),
)
FAILING = "/fails"
ERRORS = (
    State("refused", LEADER, "/pilots", 403, "Your account does not open this page.", "ask the district’s data office"),
    State("missing", LEADER, f"{SCHOOL}/nothing", 404, "There is no such page.", "Check the address"),
    State("missing", CENTRAL, "/pilots/none", 404, "The current evaluation has no such pilot.", "Check the address"),
    State("failed", CENTRAL, FAILING, 500, "Something failed here.", "Try again in a minute."),
)


def failing_app(settings: Settings) -> Starlette:
    """The portal, with one address more that fails as a bug would."""
    app = create_app(settings)
    app.router.routes.insert(0, Route(FAILING, _fail))
    return app


def _fail(request: Request) -> Response:
    raise RuntimeError("a bug")
