"""What changed since the feed that a school was sent last: rows with a reason each; the first is whole.

Compared are two standings: a pupil and a competency with evidence are a row. Applied to the old standing, the changes
give the new one (tests/feeds/test_delta.py holds that for any pair of standings).
"""

from __future__ import annotations

import functools
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from answers.pupil_names import Names
from feeds.feed_file import TEXT, FeedFile, Values, joined, of_table, percents
from feeds.school_files import TOPIC, count, percent, pupil_columns, said, state, text, words

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
# What of a row is told as it was and as it is.
SHOWN = (*SAID, "expected_share")


def kept_standing(standing: pa.Table) -> pa.Table:
    """The standing as it is kept for the next comparison."""
    return standing.select(KEPT.names).cast(KEPT)


def read_standing(path: Path) -> pa.Table | None:
    """The standing of the last feed that was sent; None where there was none."""
    return pq.read_table(path, schema=KEPT) if path.exists() else None


def changed_rows(before: pa.Table | None, now: pa.Table) -> pa.Table:
    """The changes from the one standing to the other (both as kept), in the order of ``now``, then what is gone.

    A row has its pupil, class and competency as it stands now, or stood where it is gone; ``change`` (added, changed,
    removed) and ``reason_code``; and of :data:`SHOWN` what is new and what was old, null where there is no such row.
    """
    old = KEPT.empty_table() if before is None else before
    pairs = _pairs(now)
    places = pc.index_in(pairs, value_set=_pairs(old))
    # Beside each row the one that it was; where it is new, one of nulls.
    earlier, is_new = old.take(places), places.is_null()
    came = pa.scalar("first_feed") if before is None else _either(now, old, "first_evidence", "pupil_came")
    found = _changes(now, earlier, now, pc.if_else(is_new, "added", "changed"), _reasons(is_new, came, earlier, now))
    gone = old.filter(pc.invert(pc.is_in(_pairs(old), value_set=pairs)))
    removed = pa.array(["removed"] * gone.num_rows, TEXT)
    nothing = KEPT.empty_table().take(pa.nulls(gone.num_rows, pa.int32()))
    left = _changes(gone, gone, nothing, removed, _either(gone, now, "evidence_withdrawn", "pupil_left"))
    return pa.concat_tables([found.filter(found["reason_code"].is_valid()), left])


def _pairs(standing: pa.Table) -> Values:
    """What tells the rows of a standing apart, as one text."""
    return joined(standing["student_key"], standing["competency_id"])


def _either(rows: pa.Table, others: pa.Table, known: str, unknown: str) -> Values:
    """For each row whether its pupil is in another standing: the one reason or the other."""
    return pc.if_else(pc.is_in(rows["student_key"], value_set=pc.unique(others["student_key"])), known, unknown)


def _differs(before: Values, now: Values) -> Values:
    """Whether two values are different; none and none are the same."""
    return pc.coalesce(pc.not_equal(before, now), pc.xor(before.is_null(), now.is_null()))


def _reasons(is_new: Values, came: Values, before: pa.Table, now: pa.Table) -> Values:
    """Why a row is another; null where it says what it said. The first reason that fits, the plainest first."""

    def any_of(*names: str) -> Values:
        return functools.reduce(pc.or_, (_differs(before[name], now[name]) for name in names))

    percents_differ = _differs(percents(before["expected_share"]), percents(now["expected_share"]))
    says_the_same = pc.invert(pc.or_(any_of(*SAID), percents_differ))
    cases = {
        "class_changed": any_of("class_id"),
        "teacher_word": any_of("override_state"),
        "new_work": any_of("counted_attempts", "last_event_at"),
        "rule_changed": any_of("model_version", "policy_version"),
    }
    conditions = pc.make_struct(is_new, says_the_same, *cases.values(), field_names=["is_new", "is_same", *cases])
    return pc.case_when(conditions, came, pa.scalar(None, TEXT), *cases, "time_passed")


def _changes(shown: pa.Table, before: pa.Table, now: pa.Table, change: Values, reason: Values) -> pa.Table:
    """The changes as rows; ``shown`` names them."""
    columns = {name: shown[name] for name in KEPT.names}
    columns |= {f"new_{name}": now[name] for name in SHOWN} | {f"old_{name}": before[name] for name in SHOWN}
    return pa.table(columns | {"change": change, "reason_code": reason})


def delta_file(changes: pa.Table, names: Names, since: str) -> FeedFile:
    """The changes as a list of the feed. ``since``: what they are compared with, in words."""
    columns = (
        *(*pupil_columns(names), *TOPIC),
        *(text("competency_id"), text("change"), text("reason_code")),
        words("reason", "reason_code", REASONS.__getitem__),
        state("state_before", "old_state"),
        state("state", "new_state"),
        percent("expected_right_before_pct", "old_expected_share"),
        percent("expected_right_pct", "new_expected_share"),
        count("counted_attempts_before", "old_counted_attempts"),
        count("counted_attempts", "new_counted_attempts"),
        said("teacher_said_before", "old_override_state"),
        said("teacher_said", "new_override_state"),
    )
    return of_table("since_last_feed", f"What changed since {since}", changes, columns)
