"""From a pupil's state on a competency back to the events and where their payloads lie."""

from __future__ import annotations

from datetime import date
from typing import Any

from cairn.errors import CairnError
from cairn.settings import Settings
from lake import read

EVENT_COLUMNS = (
    "event_id",
    "event_time",
    "success",
    "score_scaled",
    "hints",
    "duration_ms",
    "item_id",
    "source_id",
    "source_statement_id",
    "kafka_partition",
    "kafka_offset",
)


def explain_pair(settings: Settings, student_key: str, competency: str, night: date | None = None) -> dict[str, Any]:
    """State and standing decisions of a pair, as the nights up to ``night`` had them (all where None).

    Returns student_key, competency_id, state and decisions, each with at, from, to, p_known, counted_attempts,
    evidence (the events, with the Kafka partition and offset that bronze keeps the payload under), model, policy,
    data_date. ``competency`` is an id or a code. Raises CairnError where either is not known.
    """
    import pyarrow.compute as pc

    competency_id = _competency_id(settings, competency)
    pair = (pc.field("student_key") == student_key) & (pc.field("competency_id") == competency_id)
    states = read(settings, "gold.mastery_state", filters=pair).to_pylist()
    ledger = read(settings, "gold.mastery_decision", filters=pair).to_pylist()
    if not states and not ledger:
        raise CairnError(
            "no evidence of this pupil on this competency in gold: check the key, or run 'cairn mastery update'"
        )
    decisions = standing(ledger, night)
    state = states[0]["state"] if states else "not_started"
    if night is not None:
        state = decisions[-1]["to_state"] if decisions else "not_started"
    events = _events(settings, {event for row in decisions for event in row["evidence_event_ids"]})
    return {
        "student_key": student_key,
        "competency_id": competency_id,
        "state": state,
        "decisions": [
            {
                "at": row["decided_at"].isoformat(),
                "from": row["from_state"],
                "to": row["to_state"],
                "p_known": row["p_known"],
                "counted_attempts": row["counted_attempts"],
                "evidence": [events[event] for event in row["evidence_event_ids"] if event in events],
                "model": row["model_version"],
                "policy": row["policy_version"],
                "data_date": row["data_date"].isoformat(),
            }
            for row in decisions
        ],
    }


def standing(ledger: list[dict[str, Any]], night: date | None = None) -> list[dict[str, Any]]:
    """Decisions of ledger rows that stand: the newest row of each decision_id is not a retraction; in order of work."""
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(ledger, key=lambda row: (row["data_date"], row["recorded_at"])):
        if night is None or row["data_date"] <= night:
            newest[row["decision_id"]] = row
    kept = [row for row in newest.values() if not row["is_retraction"]]
    # At one instant, a transition by time comes before the one by evidence: it rests on less.
    return sorted(kept, key=lambda row: (row["decided_at"], row["counted_attempts"]))


def _competency_id(settings: Settings, competency: str) -> str:
    import pyarrow.compute as pc

    named = (pc.field("competency_id") == competency) | (pc.field("code") == competency)
    found = set(read(settings, "silver.competency", ["competency_id"], named)["competency_id"].to_pylist())
    if competency in found:
        return competency
    if len(found) != 1:
        raise CairnError(
            f"{len(found)} competencies have the id or code {competency!r}: "
            + ("give the id" if found else "see 'cairn competencies load'")
        )
    return str(found.pop())


def _events(settings: Settings, event_ids: set[str]) -> dict[str, dict[str, Any]]:
    """The silver rows of the events by id, instants in ISO 8601."""
    import pyarrow.compute as pc

    if not event_ids:
        return {}
    rows = read(settings, "silver.learner_activity", EVENT_COLUMNS, pc.field("event_id").isin(sorted(event_ids)))
    return {row["event_id"]: {**row, "event_time": row["event_time"].isoformat()} for row in rows.to_pylist()}
