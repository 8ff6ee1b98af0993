"""A lease is one holder's, on a folder and on a store: under a race, after a death, after a sleep that was too long."""

from __future__ import annotations

import importlib
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

import lake
from cairn.errors import CairnError
from cairn.settings import Settings

# The name lake.lease is the function.
lease_module = importlib.import_module("lake.lease")
Apart = Callable[..., "subprocess.Popen[str]"]

HOLD = """
import sys
import lake
from cairn.errors import CairnError
from cairn.settings import Settings
with lake.lease(Settings(), "night", lease_seconds=float(sys.argv[1])) as held:
    print("none" if held is None else held.fence, flush=True)
    sys.stdin.readline()
    if held is not None:
        try:
            held.check()
            print("held", flush=True)
        except CairnError as error:
            print(error, flush=True)
"""


@pytest.fixture(params=["folder", "store"])
def either(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of a lake in a folder, then of one on an S3-like store."""
    chosen: Settings = settings if request.param == "folder" else request.getfixturevalue("store_settings")
    return chosen


def first_line(process: subprocess.Popen[str]) -> str:
    """What a holder says when it has tried."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_many_that_start_at_once_one_holds_it(either: Settings, run_apart: Apart) -> None:
    processes = [run_apart(either, HOLD, "60") for _ in range(4)]
    said = [first_line(process) for process in processes]
    assert sorted(said)[1:] == ["none"] * 3 and said.count("none") == 3, said
    with lake.lease(either, "night") as mine, lake.lease(either, "another") as other:
        assert mine is None and other is not None
    for process in processes:
        process.communicate("\n", timeout=60)
    with lake.lease(either, "night") as mine:
        assert mine is not None and mine.fence > int(min(said))
        mine.check()


def test_a_holder_that_died_frees_it(either: Settings, run_apart: Apart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "CLOCK_ALLOWANCE_SECONDS", 1.0)
    process = run_apart(either, HOLD, "2")
    assert first_line(process) == "1"
    process.kill()
    process.wait()
    with lake.lease(either, "night", wait_seconds=30) as mine:
        assert mine is not None and mine.fence > 1


def test_a_holder_renews_while_it_works(store_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "CLOCK_ALLOWANCE_SECONDS", 0.0)
    with lake.lease(store_settings, "night", lease_seconds=3) as mine:
        assert mine is not None
        time.sleep(5)
        mine.check()
        with lake.lease(store_settings, "night") as second:
            assert second is None


def test_a_holder_that_slept_too_long_is_told(
    store_settings: Settings, run_apart: Apart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped for longer than the lease lasts, it finds that another holds it, and that one's fence is greater."""
    monkeypatch.setattr(lease_module, "CLOCK_ALLOWANCE_SECONDS", 0.5)
    process = run_apart(store_settings, HOLD, "3")
    fence = int(first_line(process))
    process.send_signal(signal.SIGSTOP)
    with lake.lease(store_settings, "night", wait_seconds=30) as mine:
        assert mine is not None and mine.fence > fence
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate("\n", timeout=60)
        assert out.startswith("the lease night is held no more"), out + err
        mine.check()
        # What the late one did on its way out took nothing from the one that holds it now.
        with lake.lease(store_settings, "night") as third:
            assert third is None


def test_a_store_that_is_away_ends_a_lease(store_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals that fail are tried again, and a lease that ran out meanwhile is no longer believed."""
    with lake.lease(store_settings, "night", lease_seconds=1) as mine:
        assert mine is not None

        def away(*_: object) -> None:
            raise OSError("no store")

        monkeypatch.setattr(lease_module, "_look", away)
        time.sleep(2.5)
        with pytest.raises(CairnError, match="was not renewed for 1 s"):
            mine.check()
