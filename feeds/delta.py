"""What changed since the feed that a school was sent last: rows with a reason each; the first is whole.

Compared are two standings: a pupil and a competency with evidence are a row. Applied to the old standing, the changes
give the new one (tests/feeds/test_delta.py holds that for any pair of standings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from answers import wording
from answers.pupil_names import Names
from feeds.feed_file import TEXT, Column, FeedFile, of_rows
from feeds.school_files import TOPIC, count, percent, pupil_columns, state

Row = dict[str, Any]
Pair = tuple[str, str]
# By key, without names: what the next feed is compared with.
KEPT = pa.schema(
    [
        *((name, pa.string()) for name in ("student_key", "class_id", "class_title", "competency_id")),
        *((name, pa.string()) for name in ("competency_code", "competency_title", "state", "override_state")),
        ("expected_share", pa.float64()),
        ("counted_attempts", pa.int64()),
        ("last_event_at", pa.timestamp("us", "UTC")),
        *((name, pa.string()) for name in ("model_version", "policy_version")),
    ]
)
REASONS = {
    "first_feed": "This is the first feed: everything is new to you",
    "pupil_came": "The pupil was in no row of your last feed",
    "first_evidence": "First evidence on this competency",
    "pupil_left": "The pupil is in no row of this feed: moved, left, or erased",
    "evidence_withdrawn": "There is no counted evidence on this competency any more",
    "class_changed": "The pupil answers to another class",
    "teacher_word": "A teacher said so, or took it back, or it ran out",
    "new_work": "New work was counted, or earlier work corrected",
    "rule_changed": "The district's model or policy changed",
    "time_passed": "Time passed without work",
}
# What a row says to a school: a difference in any of these is a change.
SAID = ("class_id", "state", "override_state", "counted_attempts")


def kept_standing(standing: Sequence[Row]) -> pa.Table:
    """The standing as it is kept for the next comparison."""
    return pa.Table.from_arrays([pa.array([row[one.name] for row in standing], one.type) for one in KEPT], schema=KEPT)


def read_standing(path: Path) -> list[Row] | None:
    """The standing of the last feed that was sent; None where there was none."""
    return pq.read_table(path, schema=KEPT).to_pylist() if path.exists() else None


def changed_rows(before: Sequence[Row] | None, now: Sequence[Row]) -> list[Row]:
    """The changes from the one standing to the other, in the order of ``now``, then what is gone."""
    old = {_pair(row): row for row in before or ()}
    new = {_pair(row) for row in now}
    pupils_before = {pupil for pupil, _ in old}
    pupils_now = {pupil for pupil, _ in new}
    found = []
    for row in now:
        earlier = old.get(_pair(row))
        reason = (
            "first_feed"
            if before is None
            else _reason(earlier, row)
            if earlier
            else ("first_evidence" if row["student_key"] in pupils_before else "pupil_came")
        )
        if reason:
            found.append(_change("changed" if earlier else "added", reason, earlier, row))
    for pair, row in old.items():
        if pair not in new:
            reason = "evidence_withdrawn" if row["student_key"] in pupils_now else "pupil_left"
            found.append(_change("removed", reason, row, None))
    return found


def _pair(row: Mapping[str, Any]) -> Pair:
    return row["student_key"], row["competency_id"]


def _percent(row: Mapping[str, Any]) -> int | None:
    return None if row["expected_share"] is None else round(100 * row["expected_share"])


def _reason(before: Row, now: Row) -> str | None:
    """Why a row is another; None where it says what it said. The first reason that fits, the plainest first."""
    if all(before[name] == now[name] for name in SAID) and _percent(before) == _percent(now):
        return None
    if before["class_id"] != now["class_id"]:
        return "class_changed"
    if before["override_state"] != now["override_state"]:
        return "teacher_word"
    if (before["counted_attempts"], before["last_event_at"]) != (now["counted_attempts"], now["last_event_at"]):
        return "new_work"
    if any(before[name] != now[name] for name in ("model_version", "policy_version")):
        return "rule_changed"
    return "time_passed"


def _change(change: str, reason: str, before: Row | None, now: Row | None) -> Row:
    shown = now or before
    assert shown is not None  # one of them is
    empty = dict.fromkeys(KEPT.names)
    return {
        **{name: shown[name] for name in KEPT.names},
        **{f"new_{name}": (now or empty)[name] for name in (*SAID, "expected_share")},
        **{f"old_{name}": (before or empty)[name] for name in (*SAID, "expected_share")},
        "change": change,
        "reason_code": reason,
    }


def _said(title: str, field: str) -> Column:
    return Column(title, TEXT, lambda row: wording.SAID.get(row[field] or "", ""))


def delta_file(changes: list[Row], names: Names, since: str) -> FeedFile:
    """The changes as a list of the feed. ``since``: what they are compared with, in words."""
    columns = (
        *(*pupil_columns(names), *TOPIC),
        Column("competency_id", TEXT, lambda row: row["competency_id"]),
        Column("change", TEXT, lambda row: row["change"]),
        Column("reason_code", TEXT, lambda row: row["reason_code"]),
        Column("reason", TEXT, lambda row: REASONS[row["reason_code"]]),
        state("state_before", "old_state"),
        state("state", "new_state"),
        percent("expected_right_before_pct", "old_expected_share"),
        percent("expected_right_pct", "new_expected_share"),
        count("counted_attempts_before", "old_counted_attempts"),
        count("counted_attempts", "new_counted_attempts"),
        _said("teacher_said_before", "old_override_state"),
        _said("teacher_said", "new_override_state"),
    )
    return of_rows("since_last_feed", f"What changed since {since}", changes, columns)
