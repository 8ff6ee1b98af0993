"""Fifty principals at 06:10: every view is written down, and how long they waited is printed."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from answers.accounts import add_account
from cairn.settings import Settings
from identity.disclosure_log import list_disclosures
from tests.portal.fixture_release import publish_fixture
from tests.portal.serving import Browser, served

PASSWORD = "a long password"
READERS, VIEWS = 50, 4


def test_fifty_readers_of_school_pages_at_once(settings: Settings, tmp_path: Path) -> None:
    publish_fixture(settings)
    add_account(settings, "leader", "school_leader", "school-a", PASSWORD)
    with served(settings, tmp_path / "portal.log") as base:
        first = Browser(base)
        assert first.sign_in("leader", PASSWORD) == 303

        def view(_: int) -> float:
            began = time.perf_counter()
            answer = first.client.get("/schools/school-a")
            assert answer.status_code == 200
            return time.perf_counter() - began

        view(0)
        alone = [view(0) for _ in range(10)]
        with ThreadPoolExecutor(READERS) as pool:
            began = time.perf_counter()
            seconds = sorted(pool.map(view, range(READERS * VIEWS)))
            whole = time.perf_counter() - began
    rows = [row for row in list_disclosures(settings) if row["purpose"] == "school page"]
    assert len(rows) == 1 + 10 + READERS * VIEWS
    print(
        f"\nschool page alone {1000 * statistics.median(alone):.0f} ms; {READERS} readers at once: "
        f"p50 {1000 * statistics.median(seconds):.0f} ms, p95 {1000 * seconds[int(0.95 * len(seconds))]:.0f} ms, "
        f"{READERS * VIEWS / whole:.0f} pages a second"
    )
