"""What Airflow hands to a task becomes arguments, and nothing but dates and ids does."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings
from night.command import as_day, as_pilot_id, ask_cairn, run_cairn

HOSTILE = ["2026-10-14; touch {made}", "$(touch {made})", "--help", "2026-10-14 --only cut", "", "2026-13-01"]


def test_a_day_is_a_day() -> None:
    assert as_day(" 2026-10-14 ") == "2026-10-14"


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_date_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no date"):
        as_day(text.format(made=tmp_path / "made"))


@pytest.mark.parametrize("text", ["a; touch {made}", "$(id)", "--as-of", "Fraction Studio", "", "x" * 80])
def test_what_is_no_pilot_is_refused(text: str) -> None:
    assert as_pilot_id("fraction-studio") == "fraction-studio"
    with pytest.raises(UsageError, match="is no id of a pilot"):
        as_pilot_id(text)


def test_an_argument_is_never_a_line_for_a_shell(settings: Settings, tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(CairnError, match="failed"):
        run_cairn("pilots", "evaluate", f"x; touch {made}")
    assert not made.exists()


def test_words_of_the_command_reach_the_log_and_its_failure_the_task(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run_cairn("pilots", "list")
    assert "no pilot is frozen yet" in caplog.text
    assert ask_cairn("pilots", "list") == {"pilots": []}
    with pytest.raises(CairnError, match=r"cairn night status failed \(1\): error: no night has run yet"):
        run_cairn("night", "status")
