"""Every address that a role can open, as that role: axe, 320 px, and each answer in ten stops of the Tab key.

One browser and one page a role; a route that is added and stands in no list fails the first test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route

from answers.school_lists import LISTS
from cairn.settings import Settings
from portal.app import routes
from portal.web import GUARDED
from tests.portal.fixture_every_page import DIFFERENCE, LOG, TABLE, build_and_log, release_before
from tests.portal.fixture_published import publish_numbers
from tests.portal.fixture_release import publish_fixture, sourced

pytestmark = pytest.mark.browser

CLASS = "/schools/school-a/classes/school-a-class-1"
CENTRAL = ("/pilots", "/pilots/pilot-reading", "/equity?school=school-a", "/releases", DIFFERENCE)
EVERY = {
    "leader": (
        *("/schools/school-a", *(f"/schools/school-a/{name}" for name in (*LISTS, "by-class", "feed"))),
        *("/classes", CLASS, f"{CLASS}/print", "/students/{pupil}", "/logout"),
        # Refused, and not there.
        *("/schools/school-b", "/schools/school-a/nothing"),
    ),
    "class-teacher": ("/classes", CLASS, f"{CLASS}/print", "/students/{pupil}", "/pilots"),
    "central": (
        *("/", "/?as-of=2020-01-01", *CENTRAL, "/rollout", "/schools/school-a", "/schools/school-b"),
        *("/named/schools/school-a", "/named/students/{pupil}", "/operations", TABLE),
    ),
    "engineer": (
        *(*CENTRAL, "/rollout", "/schools/school-a", "/operations"),
        *(TABLE, LOG),
    ),
}
# Pages too; every other address shows what it is for.
REFUSED = {("leader", "/schools/school-b"): 403, ("leader", "/schools/school-a/nothing"): 404}
REFUSED |= {("class-teacher", "/pilots"): 403}
ROLES = {"leader": "school_leader", "class-teacher": "teacher", "central": "central_office", "engineer": "engineer"}
# Files, and pages of others (Data Docs, dbt docs: tests/browser/test_reports_in_chromium.py); "/" sends on.
NO_PAGES: tuple[str, ...] = (
    "/",
    "/schools/{school_id}/feed/{name:path}",
    "/pilots/{pilot_id}.pdf",
    "/published/{table}.csv",
)
NO_PAGES += ("/operations/{report}/", "/operations/{report}/{path:path}")
STOPS = 10
NARROW = {"width": 320, "height": 640}
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# The ids by which an answer is named: of its section, and of that one's heading. One in which there is nothing to
# open, as on what is printed, is read from the top.
ANSWERS = """() => [...document.querySelectorAll('.answer, main section[aria-labelledby]')]
    .filter(one => !document.querySelector('.answer') || one.matches('.answer'))
    .filter(one => one.querySelector('a, button, input, select, textarea, summary, [tabindex="0"]'))
    .map(one => [one.id, one.getAttribute('aria-labelledby')])"""
# Keeps what the keyboard reaches: where a link goes to within the page, and the answer that it is in.
LISTEN = """() => { window.reached = []; document.addEventListener('focusin', ({target}) => {
    const one = target.closest('section');
    window.reached.push((target.getAttribute('href') || '').replace(/^#/, ''));
    if (one) window.reached.push(one.getAttribute('aria-labelledby')); }) }"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, dict[str, str]]]:
    """The release with published numbers, a log of the portal, and a release of the day before to compare with."""
    settings = Settings(home=tmp_path_factory.mktemp("every"))
    people = publish_fixture(settings)
    publish_numbers(settings)
    with release_before(settings), build_and_log(settings):
        yield settings, people


@pytest.mark.parametrize("who", EVERY)
def test_every_route_that_a_role_opens_stands_in_its_list(who: str) -> None:
    own = [one for one in routes() if isinstance(one, Route) and ROLES[who] in GUARDED.get(one.endpoint, ())]
    pages = [one for one in own if "GET" in (one.methods or ()) and one.path not in NO_PAGES]
    listed = [address.partition("?")[0] for address in EVERY[who]]
    assert [one.path for one in pages if not any(one.path_regex.fullmatch(address) for address in listed)] == []


@pytest.fixture
def looking(browser: Any, portal: Any, signed_in: Any) -> Any:
    """``looking(who, **options)``: a page of a role, and how it goes to an address."""
    contexts = []

    def of(who: str, **options: Any) -> tuple[Any, Any]:
        context = browser.new_context(storage_state=signed_in(who), **options)
        contexts.append(context)
        page = context.new_page()
        return page, lambda path: page.goto(portal["base"] + path.format(pupil=portal["people"][sourced(0, 0)]))

    yield of
    for context in contexts:
        context.close()


@pytest.mark.parametrize("who", EVERY)
def test_axe_finds_nothing_nothing_is_too_wide_and_the_keyboard_reaches_each_answer(
    browser: Any, portal: Any, signed_in: Any, who: str
) -> None:
    """At 320 px, in the dark and in Spanish; the keyboard in ten stops, of which the first passes the header."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(
        storage_state=signed_in(who), viewport=NARROW, color_scheme="dark", locale="es-US", reduced_motion="reduce"
    )
    page, axe, found = context.new_page(), Axe(), {}
    for path in EVERY[who]:
        answer = page.goto(portal["base"] + path.format(pupil=portal["people"][sourced(0, 0)]))
        assert answer.status == REFUSED.get((who, path), 200), path
        violations = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        wrong = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in violations]
        wrong += [("wider than the screen", [])] if page.evaluate(WIDER) > 0 else []
        wrong += [("more than ten stops away", ids) for ids in far_answers(page)]
        if wrong:
            found[path] = wrong
    context.close()
    assert found == {}


def far_answers(page: Any) -> list[list[str]]:
    """The answers that ten stops of the Tab key do not reach. What stands first in the content is reached with it."""
    page.evaluate(LISTEN)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for _ in range(STOPS - 1):
        page.keyboard.press("Tab")
    reached = set(page.evaluate("window.reached"))
    return [ids for ids in page.evaluate(ANSWERS)[1:] if not reached & {one for one in ids if one}]
