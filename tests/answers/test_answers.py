"""Pure parts of the answers: the verdict, words, first rows, follow-ups, scorecards."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from answers import wording
from answers.school_answers import leading
from answers.school_trust import expected_data_date, release_age, verdict
from answers.scorecard_parts import present
from cairn.calendar import DistrictCalendar
from cairn.protection.rules import Rules

DAY = date(2026, 10, 14)
FRESH, OLD = release_age(DAY, DAY), release_age(DAY, date(2026, 10, 16))
ZONE = ZoneInfo("America/Chicago")


def trust(**changes: Any) -> dict[str, Any]:
    """A row of mart_school_trust in good order."""
    row: dict[str, Any] = {"received": 100, "accepted": 95, "duplicate": 5, "unexplained": 0, "silent_sources": 0}
    row |= {"silent_source_names": None, "gates_failed": 0, "is_held_back": False, "unlinked_events": 0}
    return row | {"last_event_at": datetime(2026, 10, 14, 20, tzinfo=UTC)} | changes


@pytest.mark.parametrize(
    ("changes", "age", "level", "first"),
    [
        ({}, FRESH, "good", "All 100 statements accounted for"),
        ({}, OLD, "care", "Old: data of Wed 14 Oct"),
        ({"silent_sources": 1, "silent_source_names": "reader"}, FRESH, "care", "1 source silent: reader"),
        ({"unexplained": 3}, FRESH, "bad", "3 of 100 statements unexplained"),
        ({"gates_failed": 2}, FRESH, "care", "2 checks failed"),
        ({"is_held_back": True}, FRESH, "bad", "Held back: why"),
        ({"received": 0, "accepted": 0, "duplicate": 0}, FRESH, "care", "No statements received that day"),
    ],
)
def test_verdict_names_the_gravest_reason_first(changes: dict[str, Any], age: Any, level: str, first: str) -> None:
    answer = verdict(trust(**changes), "why", age, ZONE)
    assert (answer.level, answer.lines[0].text) == (level, first)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 10, 15, 10, 0, tzinfo=UTC), date(2026, 10, 13)),  # Thursday 05:00: the night is running
        (datetime(2026, 10, 15, 11, 30, tzinfo=UTC), date(2026, 10, 14)),  # Thursday 06:30
        (datetime(2026, 10, 18, 9, 0, tzinfo=UTC), date(2026, 10, 16)),  # Sunday 04:00: Friday's came on Saturday
        (datetime(2026, 10, 19, 20, 0, tzinfo=UTC), date(2026, 10, 16)),  # Monday afternoon
    ],
)
def test_a_release_is_expected_the_morning_after_a_school_day(now: datetime, expected: date) -> None:
    raw = {"school_year_start_date": "2026-08-17", "school_year_end_date": "2027-05-28", "feeds_at": "06:00"}
    calendar = DistrictCalendar.from_mapping(raw, "calendar.yaml", "America/Chicago")
    assert expected_data_date(calendar, now) == expected


def test_a_school_without_data_is_not_trusted() -> None:
    assert verdict(None, None, FRESH, ZONE).level == "care"


def test_the_first_rows_are_different_pupils() -> None:
    rows = [{"student_key": key, "place": place} for place, key in enumerate("aabcad")]
    assert [(row["student_key"], row["place"], row["more"]) for row in leading(rows, 3)] == [
        ("a", 0, 2),
        ("b", 2, 0),
        ("c", 3, 0),
    ]


def summary(**changes: Any) -> dict[str, Any]:
    """A row of mart_action_school of twelve compared pupils."""
    row = {"actions": 24, "pupils": 20, "actions_with_work": 18, "pupils_with_work": 15, "pupils_compared": 12}
    told = {"share_right": 0.71, "comparable_share": 0.6, "difference": 0.11}
    return row | told | {"difference_low": -0.02, "difference_high": 0.24} | changes


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (None, "No action was logged in the last fourteen days."),
        (summary(pupils_compared=None), "Too few to tell: 15 of 20 pupils worked on it since."),
        (summary(), "No clear difference: 71 % right after help, 60 % of similar pupils without it, +11 points (-2 to"),
        (summary(difference_low=0.03), "More right: 71 % right after help"),
        (summary(difference=-0.2, difference_low=-0.3, difference_high=-0.1), "Fewer right: "),
    ],
)
def test_whether_action_worked_is_a_rate_with_its_doubt_or_none(row: dict[str, Any] | None, told: str) -> None:
    said = wording.did_it_work(row)
    assert said.startswith(told)
    assert ("%" in said) == ("No proof" in said) == bool(row and row["pupils_compared"])


def test_a_card_without_words_gets_those_of_the_rule() -> None:
    given = [{"text": "pupils gained", "probability": chance} for chance in (0.95, 0.8, 0.6, 0.4)]
    card = present({"pilot_id": "p", "recommendation": "STOP", "how_sure": {"statements": given}}, Rules(10, 10))
    assert [(one["words"], one["joint"]) for one in card["how_sure"]["statements"]] == [
        ("very confident", " that"),
        ("fairly confident", " that"),
        ("leaning towards", ":"),
        ("cannot tell", " whether"),
    ]


def test_numbers_and_dates_read_well() -> None:
    assert wording.number(1234.4) == "1,234" and wording.number(None) == "–" and wording.number(float("nan")) == "–"
    assert wording.money(49.731) == "$49.73" and wording.money(18400) == "$18,400"
    assert wording.day("2026-10-14") == "Wed 14 Oct 2026" and wording.short_day(DAY) == "Wed 14 Oct"
    assert wording.moment("2026-10-14T20:42:00+00:00", ZONE) == "Wed 14 Oct 15:42"
    assert wording.recommendation("TOO EARLY") == "Too early to say" and wording.state("review_due") == "Review due"


def test_a_small_school_of_a_card_keeps_its_name_only() -> None:
    schools = [{"school_name": "S", "arm": "treatment", "pupils": 8, "mean_baseline": 1.0, "mean_outcome": 2.0}]
    card = present({"pilot_id": "p", "recommendation": "STOP", "how_sure": {}, "schools": schools}, Rules(10, 10))
    assert card["schools"][0]["mean_outcome"] is None and card["schools"][0]["pupils_told"] == "under 10"
