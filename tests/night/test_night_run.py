"""The night's order, lock and state; the steps themselves are run in test_night_resume."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from night import lock
from night import run as night
from night import state as states
from night.status import default_date, status
from night.steps import Night
from night.warmup import SharedSpark
from tests.releases.small_release import make, publish_unseen

DAY = date(2026, 10, 14)


def test_default_is_yesterday_in_the_districts_zone(settings: Settings) -> None:
    two_at_night_in_chicago = datetime(2026, 10, 15, 7, tzinfo=UTC)
    assert default_date(settings, two_at_night_in_chicago) == DAY
    eight_in_the_evening_there = datetime(2026, 10, 16, 1, tzinfo=UTC)
    assert default_date(settings, eight_in_the_evening_there) == DAY


def test_unknown_step_is_wrong_use(settings: Settings) -> None:
    with pytest.raises(UsageError, match="gate_intake"):
        night.run(settings, DAY, ["martz"])


def test_step_without_the_steps_before_names_them(settings: Settings) -> None:
    settings.night_dir.mkdir(parents=True)
    state = states.fresh(DAY)
    state["steps"][0]["state"] = "done"
    states.save(settings, state)
    with pytest.raises(CairnError, match="gate_intake is not done, and marts needs it"):
        night.run(settings, DAY, ["marts"])


def test_nothing_to_see_or_resume_before_the_first_night(settings: Settings) -> None:
    with pytest.raises(CairnError, match="cairn night run"):
        status(settings)
    with pytest.raises(CairnError, match="cairn night run --date 2026-10-14"):
        night.resume(settings, DAY)


def test_without_a_broker_the_cut_says_what_to_do(settings: Settings) -> None:
    told: list[tuple[str, str]] = []
    with pytest.raises(CairnError, match=r"stopped at cut: .*cairn up"):
        night.run(settings, DAY, on_step=lambda name, state, _seconds: told.append((name, state)))
    assert told == [("cut", "running"), ("cut", "failed")]
    seen = status(settings)
    assert (seen["state"], seen["release_id"]) == ("failed", None)
    assert [step["state"] for step in seen["steps"]] == ["failed"] + ["pending"] * 6


def test_two_nights_do_not_run_at_once(settings: Settings) -> None:
    settings.night_dir.mkdir(parents=True)
    with (settings.night_dir / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CairnError, match="another night is running"):
            night.run(settings, DAY)


def test_process_that_died_shows_as_failed(settings: Settings) -> None:
    settings.night_dir.mkdir(parents=True)
    state = states.fresh(DAY)
    state["steps"][0]["state"] = "running"
    states.save(settings, state)
    assert status(settings, DAY)["steps"][0]["state"] == "failed"
    assert json.loads((settings.night_dir / f"{DAY}.json").read_text())["steps"][0]["state"] == "running"


def test_night_before_the_published_one_is_refused(settings: Settings) -> None:
    publish_unseen(settings, make(settings, date(2026, 10, 15)))
    with pytest.raises(CairnError, match="lies before learning-2026-10-15-1"):
        night.run(settings, DAY)


def test_night_that_another_has_overtaken_goes_no_further(settings: Settings) -> None:
    """Two runs step by step, as two DAG runs or a DAG and a person have them: the lock is free between the steps."""
    state = states.fresh(DAY)
    state["steps"][0]["state"] = "done"
    states.save(settings, state)
    lock.begin(settings, DAY)
    with pytest.raises(CairnError, match=r"stopped at cut: .*cairn up"):
        night.run(settings, date(2026, 10, 15))
    for go_on in (lambda: night.run(settings, DAY, ["gate_intake"]), lambda: night.resume(settings, DAY)):
        with pytest.raises(CairnError, match=r"overtaken by the night of 2026-10-15.*run --date 2026-10-14"):
            go_on()


def test_two_processes_do_not_run_a_night_at_once(settings: Settings) -> None:
    """A second process is refused in one line while the first holds the night."""
    script = "import sys; from cairn.settings import Settings; from night.lock import one_night\n"
    script += "with one_night(Settings()):\n    print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None and first.stdin is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(CairnError, match="another night is running"):
            night.run(settings, DAY)
        first.stdin.close()
        assert first.wait(timeout=30) == 0
    with pytest.raises(CairnError, match="stopped at cut"):
        night.run(settings, DAY)


def test_every_step_reads_as_of_the_cut(settings: Settings) -> None:
    state = states.fresh(DAY)
    one = Night(settings, DAY, state, SharedSpark(settings))
    with pytest.raises(CairnError, match="has no cut"):
        one.as_of()
    state["as_of"] = "2026-10-15T07:00:00+00:00"
    assert one.as_of() == datetime(2026, 10, 15, 7, tzinfo=UTC)
