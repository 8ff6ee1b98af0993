"""A portal over the fixture release on a free port, and a real Chromium (under CI it must be there)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from answers.accounts import add_account
from cairn.settings import Settings
from feeds.write import write
from infra.browser import ADVICE, find_chromium
from portal.app import create_app
from tests.browser import chromium
from tests.browser.served import serving
from tests.needs import missing
from tests.portal.fixture_release import TEACHER, publish_fixture

PASSWORD = "correct horse 7"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all browser tests."""
    path = find_chromium()
    if path is None:
        missing(f"no Chromium that starts on this machine: {ADVICE}")
    with sync_playwright() as playwright:
        found = chromium.launch(playwright, path)
        yield found
        found.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, str]]:
    """The home that the portal serves, and sourcedId -> key. A module that wants other rows overrides it: a served
    release stays open and is never changed."""
    settings = Settings(home=tmp_path_factory.mktemp("browser"))
    return settings, publish_fixture(settings)


@pytest.fixture(scope="module")
def portal(home: tuple[Settings, dict[str, str]]) -> Iterator[dict[str, Any]]:
    """A served portal: ``base`` is its address, ``people`` sourcedId -> key, ``settings`` its home."""
    settings, people = home
    write(settings, school="school-a")
    add_account(settings, "leader", "school_leader", "school-a", PASSWORD)
    add_account(settings, "central", "central_office", None, PASSWORD)
    add_account(settings, "engineer", "engineer", None, PASSWORD)
    add_account(settings, "class-teacher", "teacher", None, PASSWORD, teacher_key=people[TEACHER])
    with serving(create_app(settings), "warning") as base:
        yield {"base": base, "people": people, "settings": settings}


@pytest.fixture(scope="module")
def signed_in(browser: Any, portal: dict[str, Any]) -> Iterator[Any]:
    """``signed_in(name)``: the storage state of a session, signed in once with the form."""
    states: dict[str, Any] = {}

    def state(name: str) -> Any:
        if name not in states:
            context = browser.new_context()
            page = context.new_page()
            chromium.sign_in(page, portal["base"], name, PASSWORD)
            assert "/login" not in page.url
            states[name] = context.storage_state()
            context.close()
        return states[name]

    yield state
