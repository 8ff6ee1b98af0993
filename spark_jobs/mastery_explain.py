"""From a pupil's state on a competency back to the events and where their payloads lie.

Only the pupil's own bucket is read, at the versions that the newest night names.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.evidence.times import microseconds
from cairn.mastery import arrow, hashing, resolve
from cairn.mastery.config import MasteryConfig, load_config
from cairn.mastery.explanation import explain, sentence
from cairn.mastery.gold_rows import Night
from cairn.mastery.ledger import newest
from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.share.model import ShareModel
from cairn.settings import Settings
from spark_jobs import mastery_model, night_record, policies
from spark_jobs.night_record import DECISION, EVIDENCE, NIGHT, STATE, NightRecord

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
EVIDENCE_COLUMNS = ("student_key", "competency_id", *arrow.ATTEMPT_COLUMNS, "is_removed", "night")
# A decision is shown with its newest events.
MOST_EVENTS = 10


def explain_pair(settings: Settings, student_key: str, competency: str, night: date | None = None) -> dict[str, Any]:
    """State and standing decisions of a pair, as the nights up to ``night`` had them (all where None).

    Returns student_key, competency_id, state, why (a sentence for a teacher), share, share_low, share_high, made_of (of
    that night), attempts (as :class:`Explanation` has them) and decisions, each with at, from, to, expected_share (from
    all evidence that stands), counted_attempts, evidence (the newest ten counted events behind it, with the Kafka
    partition and offset that bronze keeps the payload under), model, policy, data_date. ``competency`` is an id or a
    code. Raises CairnError where either is not known.
    """
    config = load_config(settings)
    competency_id = _competency_id(settings, competency)
    last = night_record.newest(settings)
    states = _of_pair(settings, last, STATE, student_key, competency_id)
    ledger = _of_pair(settings, last, DECISION, student_key, competency_id).to_pylist()
    if last is None or not (states.num_rows or ledger):
        raise CairnError(
            "no evidence of this pupil on this competency in gold: check the key, or run 'cairn mastery update'"
        )
    decisions = standing(ledger, night)
    if night is None:
        current = [row for row in newest(states, ("pair_key",)).to_pylist() if not row["is_removed"]]
        state = current[0]["state"] if current else "not_started"
    else:
        state = decisions[-1]["to_state"] if decisions else "not_started"
    number, as_of_us = _night_asked(settings, last, night)
    changes = _of_pair(settings, last, EVIDENCE, student_key, None, EVIDENCE_COLUMNS)
    evidence, taken_back = _as_of(changes, number, competency_id)
    model = _model(settings, states, number)
    subjects = policies.subject_of(settings)
    asked = Night(config, model, as_of_us, night or last.data_date, subjects)
    found = explain(evidence, taken_back, competency_id, asked)
    counted = found.newest_counted
    behind = [counted[: row["counted_attempts"]][-MOST_EVENTS:] for row in decisions]
    named = pa.array([event for event_ids in behind for event in event_ids], pa.string())
    events = _events(settings, evidence.filter(pc.is_in(evidence["event_id"], value_set=named)))
    return {
        "student_key": student_key,
        "competency_id": competency_id,
        "state": state,
        "why": sentence(state, found, _policy_told(config, subjects.get(competency_id), state, decisions, as_of_us)),
        "share": found.share,
        "share_low": found.share_low,
        "share_high": found.share_high,
        "made_of": found.made_of,
        "attempts": found.attempts,
        "decisions": [
            {
                "at": row["decided_at"].isoformat(),
                "from": row["from_state"],
                "to": row["to_state"],
                "expected_share": found.share_at(row["counted_attempts"], microseconds(row["decided_at"])),
                "counted_attempts": row["counted_attempts"],
                "evidence": [events[event] for event in event_ids if event in events],
                "model": row["model_version"],
                "policy": row["policy_version"],
                "data_date": row["data_date"].isoformat(),
                "reason": row["reason"],
            }
            for row, event_ids in zip(decisions, behind, strict=True)
        ],
    }


def _policy_told(
    config: MasteryConfig, subject: str | None, state: str, decisions: list[dict[str, Any]], as_of_us: int
) -> SharePolicy:
    """The policy that speaks of a state: of a review the one by which it fell due, else the one in force by then."""
    is_review = state == "review_due" and decisions
    at_us = microseconds(decisions[-1]["decided_at"]) if is_review else as_of_us
    return config.in_force(at_us, subject).policy


def standing(ledger: list[dict[str, Any]], night: date | None = None) -> list[dict[str, Any]]:
    """Decisions of ledger rows that stand: the newest row of each decision_id is not a retraction; in order of work."""
    newest_rows: dict[str, dict[str, Any]] = {}
    for row in sorted(ledger, key=lambda row: (row["night"], row["data_date"], row["recorded_at"])):
        if night is None or row["data_date"] <= night:
            newest_rows[row["decision_id"]] = row
    kept = [row for row in newest_rows.values() if not row["is_retraction"]]
    # At one instant, a transition by time comes before the one by evidence: it rests on less.
    return sorted(kept, key=lambda row: (row["decided_at"], row["counted_attempts"]))


def _of_pair(
    settings: Settings,
    last: NightRecord | None,
    name: str,
    student_key: str,
    competency_id: str | None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The pair's rows of a table (all of the pupil's where no competency is named), at the newest night's version.

    From the pupil's bucket; none before any night.
    """
    wanted = list(columns or lake.file_schema(name).names)
    if last is None:
        return lake.file_schema(name).empty_table().select(wanted)
    [bucket] = hashing.buckets_of(pa.array([student_key]), last.pupil_buckets).tolist()
    pair = pc.field("student_key") == student_key
    if competency_id is not None:
        pair &= pc.field("competency_id") == competency_id
    return lake.read(settings, name, wanted, pair, {"pupil_bucket": [bucket]}, last.versions[name])


def _night_asked(settings: Settings, last: NightRecord, night: date | None) -> tuple[int | None, int]:
    """(number, as-of instant) of the newest night of the days up to ``night``; of the newest one, None, where None.

    The number is 0 where there was none by then.
    """
    if night is None:
        return None, microseconds(last.as_of)
    rows = lake.read(settings, NIGHT, ["night", "as_of"], pc.field("data_date") <= night).to_pylist()
    newest_row = max(rows, key=lambda row: row["night"], default=None)
    return (0, 0) if newest_row is None else (newest_row["night"], microseconds(newest_row["as_of"]))


def _as_of(changes: pa.Table, last_number: int | None, competency_id: str) -> tuple[pa.Table, pa.Table]:
    """(evidence, taken back): the pupil's rows that stood after night ``last_number``; of the competency, those that no
    longer did.

    What was taken away before a compaction is not in the table any more, so an earlier night is shown without it.
    """
    if last_number is not None:
        changes = changes.filter(pc.less_equal(changes["night"], last_number))
    events = hashing.mix(hashing.hash_texts(changes["event_id"]), hashing.hash_texts(changes["competency_id"]))
    stands = resolve.standing(changes, events)
    own, own_stands = (table.filter(pc.equal(table["competency_id"], competency_id)) for table in (changes, stands))
    gone = own.filter(pc.invert(pc.is_in(own["event_id"], value_set=pc.unique(own_stands["event_id"]))))
    return stands, gone.filter(gone["is_removed"])


def _model(settings: Settings, states: pa.Table, last_number: int | None) -> ShareModel:
    """The model that the pair's state was computed with, or the one in use. Raises CairnError where it is not there."""
    if last_number is not None:
        states = states.filter(pc.less_equal(states["night"], last_number))
    versions = newest(states, ("pair_key",))["model_version"].to_pylist()
    if versions:
        return mastery_model.model_of(settings, versions[0])
    model = mastery_model.model_in_use(settings)
    if model is None:
        raise CairnError("no model is on record: run 'cairn mastery update' first")
    return model


def _competency_id(settings: Settings, competency: str) -> str:
    named = (pc.field("competency_id") == competency) | (pc.field("code") == competency)
    found = set(lake.read(settings, "silver.competency", ["competency_id"], named)["competency_id"].to_pylist())
    if competency in found:
        return competency
    if len(found) != 1:
        raise CairnError(
            f"{len(found)} competencies have the id or code {competency!r}: "
            + ("give the id" if found else "see 'cairn competencies load'")
        )
    return str(found.pop())


def _events(settings: Settings, wanted: pa.Table) -> dict[str, dict[str, Any]]:
    """The silver rows of the events by id, instants in ISO 8601. The span of their work keeps most files shut."""
    if wanted.num_rows == 0:
        return {}
    span = pc.min_max(wanted["event_time"]).as_py()
    # Statistics of a file are in milliseconds or finer: a little more than the span loses nothing.
    margin = timedelta(seconds=1)
    within = (pc.field("event_time") >= span["min"] - margin) & (pc.field("event_time") <= span["max"] + margin)
    named = pc.field("event_id").isin(sorted(wanted["event_id"].to_pylist()))
    rows = lake.read(settings, "silver.learner_activity", EVENT_COLUMNS, within & named, lake.EVERY)
    return {row["event_id"]: {**row, "event_time": row["event_time"].isoformat()} for row in rows.to_pylist()}
