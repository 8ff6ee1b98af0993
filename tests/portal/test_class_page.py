"""A class's page: what changed since the night, for its teacher and its school's leader, and plain without live."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn

from identity.disclosure_log import list_disclosures
from infra.ports import free_port
from live.service import Live
from live.store import Folded, Store
from tests.portal.fixture_release import COMPETENCIES, pupil_name, sourced

PAGE = "/schools/school-a/classes/school-a-class-1"
NOW = datetime(2026, 10, 15, 15, 30, tzinfo=UTC)


def row(key: str, competency: str, **more: Any) -> dict[str, Any]:
    """A row of the live table."""
    found = {
        "student_key": key,
        "competency_id": competency,
        "is_removed": 0,
        "state": "mastered",
        "expected_share": 0.914,
        "share_low": 0.81,
        "share_high": 0.97,
        "attempts": 9,
        "counted_attempts": 9,
        "last_event_at_us": int(NOW.timestamp() * 1e6),
        "new_events": 4,
        "folded_at_us": int(NOW.timestamp() * 1e6),
    }
    return found | more


@pytest.fixture
def live(pages: Any) -> Iterator[Live]:
    """The live service over a live table of the home; it follows no topic, and says it is ready."""
    app = Live(pages.settings)
    app.follower.status.word, app.follower.status.behind_records = "ready", 0
    keys = [pages.people[sourced(0, number)] for number in range(4)]
    rows = [
        row(keys[0], COMPETENCIES[1][0]),
        row(keys[0], COMPETENCIES[0][0], state="mastered"),
        row(keys[2], COMPETENCIES[0][0], is_removed=1, state="not_started", expected_share=None),
        # Of another class: its leader sees it there.
        row(keys[1], COMPETENCIES[0][0]),
    ]
    with Store(pages.settings) as store, store.writing():
        store.put(Folded(dict.fromkeys(keys, 0), rows), 0)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    path = pages.settings.stack_state_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"services": {"live": {"address": f"http://127.0.0.1:{port}/"}}}))
    yield app
    path.unlink()
    server.should_exit = True
    thread.join()


def test_the_leader_sees_what_changed_and_it_is_written_down(pages: Any, live: Live) -> None:
    before = len(list_disclosures(pages.settings))
    page = pages.client("leader-a").get(PAGE)
    assert page.status_code == 200
    text = page.text
    assert "<h1>Grade 4, room 1</h1>" in text and "Up to date" in text
    assert "Since the night: 2 states changed, 2 pupils of 16 with new work" in text
    changed, taken_back = " ".join(pupil_name(0, 0)), " ".join(pupil_name(0, 2))
    # Pupil 0 was developing on the second topic, and mastered on the first, where only the number moved.
    assert changed in text and "91 %" in text and "(81 % to 97 %" in text and "last night" in text
    assert taken_back in text and "taken back by its source" in text
    assert " ".join(pupil_name(0, 1)) not in text
    told = list_disclosures(pages.settings)
    assert len(told) == before + 1
    assert (told[-1]["route"], told[-1]["student_count"]) == ("/schools/{school_id}/classes/{class_id}", 16)
    assert told[-1]["student_keys"] == sorted(pages.people[sourced(0, number)] for number in range(0, 32, 2))


@pytest.mark.parametrize(("account", "status"), [("leader-b", 403), ("central", 403), ("engineer", 403)])
def test_others_are_refused(pages: Any, live: Live, account: str, status: int) -> None:
    assert pages.client(account).get(PAGE).status_code == status
    assert pages.anonymous().get(PAGE).status_code == 303


def test_a_class_that_is_not_there_is_refused_like_any_other(pages: Any, live: Live) -> None:
    for name in ("school-b-class-1", "no-such-class"):
        assert pages.client("leader-a").get(f"/schools/school-a/classes/{name}").status_code == 403


def test_how_far_behind_is_said(pages: Any, live: Live) -> None:
    live.follower.status.behind_records = 900
    live.follower.status.last_received_at = datetime.now(UTC).replace(year=2025).isoformat()
    assert "minutes behind" in pages.client("leader-a").get(PAGE).text
    live.follower.status.word, live.follower.status.problem = "waiting", "no topic yet"
    assert "Live is not up to date yet" in pages.client("leader-a").get(PAGE).text


def test_without_live_the_page_says_so(pages: Any) -> None:
    page = pages.client("leader-a").get(PAGE)
    assert page.status_code == 200
    assert "Live does not answer" in page.text


def test_the_school_page_leads_there(pages: Any) -> None:
    assert f'href="{PAGE}"' in pages.client("leader-a").get("/schools/school-a").text
