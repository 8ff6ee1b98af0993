"""Empty, old, held back, refused, not there, failed: each page says what it is and what to do, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from answers.accounts import add_account
from cairn.language import gettext, speaking
from cairn.settings import Settings
from tests.portal.conftest import PASSWORD, Pages
from tests.portal.states import EMPTY, ERRORS, FAILING, HELD, OLD, State, failing_app
from tests.portal.test_language import SPANISH, WORDS, texts_of

SECURE = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "cache-control")
NAMES = {"leader": "leader-a", "teacher": "teacher-a"}


@pytest.fixture(scope="module")
def nothing_yet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """A home in which no night has run, with its accounts."""
    settings = Settings(home=tmp_path_factory.mktemp("empty"), portal_hosts=["portal.example"])
    add_account(settings, "leader-a", "school_leader", "school-a", PASSWORD)
    add_account(settings, "teacher-a", "teacher", None, PASSWORD, teacher_key="t-1")
    for role in ("central_office", "engineer"):
        add_account(settings, role.partition("_")[0], role, None, PASSWORD)
    found = Pages(settings, {})
    yield found
    for client in found.clients.values():
        client.close()


def assert_told(client: TestClient, state: State) -> None:
    """The state and the next step are said, in English and nothing of it in Spanish."""
    english = client.get(state.path, headers={"accept-language": "en"})
    said = " ".join(re.sub(r"<[^>]+>", "", english.text).split())
    assert (english.status_code, state.says in said, state.next_step in said) == (state.status, True, True), said
    spanish = client.get(state.path, headers=SPANISH)
    assert (spanish.status_code, texts_of(spanish.text).language) == (state.status, "es")
    told = " ".join(re.sub(r"<[^>]+>", "", spanish.text).split())
    assert state.says not in told
    assert state.next_step not in told or not WORDS.search(re.sub(r"cairn \w+|\d+", "", state.next_step))


@pytest.mark.parametrize("state", EMPTY, ids=lambda one: one.name)
def test_an_empty_page_says_what_comes_next(nothing_yet: Pages, state: State) -> None:
    assert_told(nothing_yet.client(NAMES.get(state.who, state.who)), state)


@pytest.mark.parametrize("state", [*OLD, *HELD], ids=lambda one: f"{one.name}-{one.says[:4]}")
def test_an_old_or_held_page_says_how_to_read_it(pages: Pages, state: State) -> None:
    assert_told(pages.client(NAMES.get(state.who, state.who)), state)


@pytest.mark.parametrize("state", [one for one in ERRORS if one.path != FAILING], ids=lambda one: one.path)
def test_a_refusal_says_what_to_do(pages: Pages, state: State) -> None:
    assert_told(pages.client(NAMES.get(state.who, state.who)), state)


def test_a_failure_has_a_page_of_its_own_and_tells_nothing_of_it(pages: Pages) -> None:
    client = TestClient(failing_app(pages.settings), "http://portal.example", raise_server_exceptions=False)
    assert_told(client, ERRORS[-1])
    answer, login = client.get(FAILING), pages.anonymous().get("/login")
    page = answer.text
    assert {name: answer.headers.get(name) for name in SECURE} == {name: login.headers[name] for name in SECURE}
    assert "a bug" not in page and "Traceback" not in page and 'href="/"' in page
    with speaking("es"):
        assert gettext("Something failed") in client.get(FAILING, headers=SPANISH).text
