"""The night's order, lock and state; the steps themselves are run in test_night_resume."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from releases import learning, night, store

DAY = date(2026, 10, 14)


def test_default_is_yesterday_in_the_districts_zone(settings: Settings) -> None:
    two_at_night_in_chicago = datetime(2026, 10, 15, 7, tzinfo=UTC)
    assert night.default_date(settings, two_at_night_in_chicago) == DAY
    eight_in_the_evening_there = datetime(2026, 10, 16, 1, tzinfo=UTC)
    assert night.default_date(settings, eight_in_the_evening_there) == DAY


def test_unknown_step_is_wrong_use(settings: Settings) -> None:
    with pytest.raises(UsageError, match="gate_intake"):
        night.run(settings, DAY, ["martz"])


def test_step_without_the_steps_before_names_them(settings: Settings) -> None:
    settings.night_dir.mkdir(parents=True)
    state = night.fresh_state(DAY)
    state["steps"][0]["state"] = "done"
    store.write_json(settings.night_dir / f"{DAY}.json", state)
    with pytest.raises(CairnError, match="gate_intake is not done, and marts needs it"):
        night.run(settings, DAY, ["marts"])


def test_nothing_to_see_or_resume_before_the_first_night(settings: Settings) -> None:
    with pytest.raises(CairnError, match="cairn night run"):
        night.status(settings)
    with pytest.raises(CairnError, match="cairn night run --date 2026-10-14"):
        night.resume(settings, DAY)


def test_without_a_broker_the_cut_says_what_to_do(settings: Settings) -> None:
    told: list[tuple[str, str]] = []
    with pytest.raises(CairnError, match=r"stopped at cut: .*cairn up"):
        night.run(settings, DAY, on_step=lambda name, state, _seconds: told.append((name, state)))
    assert told == [("cut", "running"), ("cut", "failed")]
    seen = night.status(settings)
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
    state = night.fresh_state(DAY)
    state["steps"][0]["state"] = "running"
    store.write_json(settings.night_dir / f"{DAY}.json", state)
    assert night.status(settings, DAY)["steps"][0]["state"] == "failed"
    assert json.loads((settings.night_dir / f"{DAY}.json").read_text())["steps"][0]["state"] == "running"


def test_night_before_the_published_one_is_refused(
    settings: Settings, make_release: Callable[..., store.Release]
) -> None:
    learning.publish(settings, make_release(date(2026, 10, 15), []))
    with pytest.raises(CairnError, match="lies before learning-2026-10-15-1"):
        night.run(settings, DAY)
