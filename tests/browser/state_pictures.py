"""Pictures of the states that a running stack is not in, from portals over two small homes that are made for them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from answers.accounts import add_account
from cairn.settings import Settings
from tests.browser import chromium
from tests.browser.served import serving
from tests.portal.fixture_published import publish_numbers
from tests.portal.fixture_release import TEACHER, publish_fixture
from tests.portal.states import EMPTY, ERRORS, HELD, OLD, State, failing_app

PASSWORD = "correct horse 7"
VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": chromium.DESKTOP},
    "phone": {"viewport": chromium.PHONE, "device_scale_factor": 2},
    "phone-spanish": {"viewport": chromium.PHONE, "locale": "es-US", "device_scale_factor": 2},
}


def take_states(browser: Any, out: Path) -> list[Path]:
    """Write a picture of each state in each view; returns their paths."""
    with tempfile.TemporaryDirectory(prefix="cairn-states-") as name:
        empty, full = (Settings(home=Path(name) / part) for part in ("empty", "full"))
        people = publish_fixture(full)
        publish_numbers(full)
        for settings, teacher in ((empty, "t-1"), (full, people[TEACHER])):
            add_account(settings, "leader", "school_leader", "school-a", PASSWORD)
            add_account(settings, "leader-b", "school_leader", "school-b", PASSWORD)
            add_account(settings, "teacher", "teacher", None, PASSWORD, teacher_key=teacher)
            add_account(settings, "central", "central_office", None, PASSWORD)
            add_account(settings, "engineer", "engineer", None, PASSWORD)
        kinds = (("empty", EMPTY), ("old", OLD), ("held", HELD), ("error", ERRORS))
        apps = (failing_app(empty), failing_app(full))
        with serving(apps[0], "critical") as of_empty, serving(apps[1], "critical") as of_full:
            return [
                path
                for kind, states in kinds
                for path in _of_kind(browser, of_empty if kind == "empty" else of_full, out, kind, states)
            ]


def _of_kind(browser: Any, base: str, out: Path, kind: str, states: Iterable[State]) -> Iterator[Path]:
    for view, options in VIEWS.items():
        pages: dict[str, Any] = {}
        for state in states:
            if state.who not in pages:
                pages[state.who] = browser.new_context(**options).new_page()
                chromium.sign_in(pages[state.who], base, state.who, PASSWORD)
            page = pages[state.who]
            page.goto(base + state.path)
            path = out / f"state-{kind}-{state.who}-{state.name}-{view}.png"
            page.screenshot(path=str(path), full_page=kind in ("empty", "error"))
            yield path
        for page in pages.values():
            page.context.close()
