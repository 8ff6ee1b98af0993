"""Pure parts of the pages: the verdict, words, protection, outcomes, scorecards."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cairn.calendar import DistrictCalendar
from portal import words
from portal.pages_overview import protect
from portal.pages_pilots import decision_problem
from portal.pages_session import safe_next
from portal.school import followup_summary, leading, outcome
from portal.scorecards import confidence_words, present
from portal.trust import expected_data_date, release_age, verdict

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


@pytest.mark.parametrize(
    ("worked", "before", "after", "expected"),
    [
        (True, "developing", "mastered", "worked"),
        (True, "developing", "developing", "not_yet"),
        (True, "mastered", "developing", "not_yet"),
        (False, "developing", "mastered", "waiting"),
        (True, "not_started", "not_enough_evidence", "worked"),
    ],
)
def test_an_action_worked_if_work_since_led_to_a_better_state(
    worked: bool, before: str, after: str, expected: str
) -> None:
    assert outcome({"has_worked": worked, "state_before": before, "state_after": after}) == expected


def test_the_first_rows_are_different_pupils() -> None:
    rows = [{"student_key": key, "place": place} for place, key in enumerate("aabcad")]
    assert [(row["student_key"], row["place"], row["more"]) for row in leading(rows, 3)] == [
        ("a", 0, 2),
        ("b", 2, 0),
        ("c", 3, 0),
    ]


def test_followups_are_summed_for_the_newest_day_only() -> None:
    rows = [
        {"action_date": DAY, "outcome": "worked"},
        {"action_date": DAY, "outcome": "waiting"},
        {"action_date": date(2026, 10, 1), "outcome": "worked"},
    ]
    assert followup_summary(rows) == {"worked": 1, "not_yet": 0, "waiting": 1}
    assert followup_summary([]) == {}


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.95, "very confident"), (0.8, "fairly confident"), (0.6, "leaning towards"), (0.4, "cannot tell")],
)
def test_words_for_probabilities(probability: float, expected: str) -> None:
    assert confidence_words(probability) == expected
    assert confidence_words(probability - 0.001) != expected


def test_small_groups_are_not_counted_out() -> None:
    assert protect(9, 10) == "under 10" and protect(10, 10) == "10" and protect(0, 10) == "under 10"
    schools = [{"school_name": "S", "arm": "treatment", "pupils": 8, "mean_baseline": 1.0, "mean_outcome": 2.0}]
    card = present({"pilot_id": "p", "recommendation": "STOP", "how_sure": {}, "schools": schools}, 10)
    assert card["schools"][0]["mean_outcome"] is None and card["schools"][0]["is_small"]


@pytest.mark.parametrize(
    ("decision", "reason", "is_fine"),
    [("SCALE", "", True), ("STOP", "", False), ("STOP", "No budget.", True), ("MAYBE", "x", False), ("", "", False)],
)
def test_a_decision_against_the_rule_needs_a_reason(decision: str, reason: str, is_fine: bool) -> None:
    assert (decision_problem({"recommendation": "SCALE"}, decision, reason) is None) == is_fine


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil", None, "", "/a\nb"])
def test_signing_in_leads_nowhere_else(target: str | None) -> None:
    assert safe_next(target) == "/"


def test_numbers_and_dates_read_well() -> None:
    assert words.number(1234.4) == "1,234" and words.number(None) == "–" and words.number(float("nan")) == "–"
    assert words.money(49.731) == "$49.73" and words.money(18400) == "$18,400"
    assert words.day("2026-10-14") == "Wed 14 Oct 2026" and words.short_day(DAY) == "Wed 14 Oct"
    assert words.moment("2026-10-14T20:42:00+00:00", ZONE) == "Wed 14 Oct 15:42"
    assert words.recommendation("TOO EARLY") == "Too early to say" and words.state("review_due") == "Review due"
