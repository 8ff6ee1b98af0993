"""The gate into the marts: states that do not fit their evidence, decisions that name events that are not there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import lake
from cairn.settings import Settings
from gates.run import run_gate

DATA_DATE = date(2026, 10, 14)
NOW = datetime(2026, 10, 14, 15, tzinfo=UTC)


def state(number: int, **changes: Any) -> dict[str, Any]:
    """A sound row of gold.mastery_state."""
    return {
        "student_key": f"student-{number}",
        "competency_id": "competency-1",
        "state": "developing",
        "p_known": 0.4,
        "expected_share": 0.5,
        "share_low": 0.4,
        "share_high": 0.6,
        "attempts": 5,
        "counted_attempts": 4,
        "counted_correct": 2,
        "opportunities_without_three": 4,
        "first_event_at": NOW,
        "last_event_at": NOW,
        "state_since_at": NOW,
        "last_event_id": f"event-{number}",
        "evidence_hash": number,
        "model_version": "bkt-1",
        "policy_version": "policy-1",
        "data_date": DATA_DATE,
    } | changes


def decision(number: int, evidence: list[str], **changes: Any) -> dict[str, Any]:
    """A sound row of gold.mastery_decision."""
    return {
        "decision_id": f"decision-{number}",
        "is_retraction": False,
        "student_key": f"student-{number}",
        "competency_id": "competency-1",
        "decided_at": NOW,
        "from_state": "not_enough_evidence",
        "to_state": "developing",
        "p_known": 0.4,
        "counted_attempts": 4,
        "evidence_event_ids": evidence,
        "model_version": "bkt-1",
        "policy_version": "policy-1",
        "data_date": DATA_DATE,
        "recorded_at": NOW,
    } | changes


def write(settings: Settings, states: list[dict[str, Any]], decisions: list[dict[str, Any]]) -> None:
    """A lake with these rows, ten pupils in two schools and an accepted event a pupil."""
    people = [
        {
            "student_key": f"student-{number}",
            "role": "student",
            "school_id": f"school-{number % 2}",
            "is_enabled": True,
            "status": "active",
            "recorded_from": NOW,
        }
        for number in range(10)
    ]
    keys = [
        {"event_hash": n, "event_id": f"event-{n}", "content_hash": "c", "intake_app_id": "app", "batch_id": 0}
        for n in range(10)
    ]
    lake.append(settings, "silver.person", people)
    lake.append(settings, "silver.activity_key", keys)
    lake.append(settings, "gold.mastery_state", states)
    lake.append(settings, "gold.mastery_decision", decisions)


def failed(results: list[dict[str, Any]]) -> list[tuple[str, str, str, list[str]]]:
    """Rule, scope and ids of what failed."""
    return sorted(
        (row["rule_id"], row["scope_type"], row["scope_id"], row["sample_event_ids"])
        for row in results
        if not row["is_passed"]
    )


def test_sound_states_and_decisions_are_green(settings: Settings) -> None:
    write(settings, [state(n) for n in range(10)], [decision(n, [f"event-{n}"]) for n in range(10)])
    outcome = run_gate("silver_to_mastery", settings, DATA_DATE)
    assert failed(outcome.results) == []
    assert outcome.is_green


def test_what_does_not_fit_holds_the_pupils_school(settings: Settings) -> None:
    states = [state(n) for n in range(8)]
    states += [state(8, state="mastered", counted_attempts=0, counted_correct=0), state(0, data_date=date(2026, 10, 1))]
    write(settings, states, [decision(n, [f"event-{n}"]) for n in range(9)] + [decision(9, ["event-9", "event-99"])])
    outcome = run_gate("silver_to_mastery", settings, DATA_DATE)
    assert failed(outcome.results) == [
        ("gold.mastery_decision.evidence", "school", "school-1", ["decision-9"]),
        ("gold.mastery_state.evidence", "school", "school-0", ["event-8"]),
    ]
    assert outcome.held == [("school", "school-0"), ("school", "school-1")]
    assert not outcome.is_structural_failure


def test_no_mastery_at_all_stops_all(settings: Settings) -> None:
    assert run_gate("silver_to_mastery", settings, DATA_DATE).is_structural_failure
