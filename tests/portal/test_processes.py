"""A portal of two processes on one port: one service, whichever of them answers, and whoever is killed or hangs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from answers.accounts import add_account
from cairn.settings import Settings
from identity.disclosure_log import list_disclosures
from portal import processes
from streaming import several
from tests.portal.fixture_release import publish_fixture
from tests.portal.serving import Browser, served

PASSWORD = "a long password"
VIEWS = 12


def running() -> psutil.Process:
    """The portal that this process started."""
    return next(one for one in psutil.Process().children() if "portal.app" in one.cmdline())


def others(portal: psutil.Process, gone: int) -> set[int]:
    """Process ids of the two children once the one that is gone was replaced."""
    deadline = time.monotonic() + 30
    while len(now := {one.pid for one in portal.children()}) < 2 or gone in now:
        assert time.monotonic() < deadline, "the process was not replaced"
        time.sleep(0.05)
    return now


def test_two_processes_are_one_portal_and_who_is_killed_is_replaced(settings: Settings, tmp_path: Path) -> None:
    publish_fixture(settings)
    add_account(settings, "leader", "school_leader", "school-a", PASSWORD)
    with served(settings, tmp_path / "portal.log", CAIRN_PORTAL_PROCESSES="2") as base:
        portal = running()
        first = {one.pid for one in portal.children()}
        assert len(first) == 2
        reader = Browser(base)
        assert reader.sign_in("leader", PASSWORD) == 303
        # Each view is a connection of its own: a session that one process began is good in the other.
        views = [reader.client.get("/schools/school-a").status_code for _ in range(VIEWS)]
        os.kill(min(first), signal.SIGKILL)
        views += [reader.client.get("/schools/school-a").status_code for _ in range(VIEWS)]
        now = others(portal, min(first))
        assert views == [200] * 2 * VIEWS, "the port is held while a process starts"
        several_processes = settings.model_copy(update={"portal_processes": 2})
        deadline = time.monotonic() + 30
        while {beat.pid for beat in processes.beats(several_processes)} != now:
            assert time.monotonic() < deadline, "the new process gave no sign of life"
            time.sleep(0.05)
        assert all(beat.is_alive for beat in processes.beats(several_processes))
        portal.terminate()
        assert portal.wait(20) == 0
    assert not [pid for pid in first | now if psutil.pid_exists(pid)]
    rows = [row for row in list_disclosures(settings) if row["purpose"] == "school page"]
    assert len(rows) == 2 * VIEWS, "every view is written down, whichever process showed it"


def test_a_process_that_hangs_is_killed(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = object.__new__(several.Children)
    monkeypatch.setattr(several, "SILENT_SECONDS", 10.0)
    children._module, children._beats = processes.MODULE, tmp_path
    long_ago = time.monotonic() - 60
    assert children._hangs(0, long_ago), "it has never given a sign of life"
    path = several.beat_path(tmp_path, processes.MODULE, 0)
    path.write_text("1")
    assert not children._hangs(0, long_ago)
    os.utime(path, (time.time() - 11, time.time() - 11))
    assert children._hangs(0, long_ago)
    assert not children._hangs(0, time.monotonic()), "who has just started is waited for"
