"""What was done for pupils, as a school's leader logs it: an append-only ledger beside actions that come by file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.language import gettext
from cairn.settings import Settings
from cairn.teacher_words import checked_note, load_teacher_words

TABLE = "silver.teacher_action"
WAIT_SECONDS = 30.0
ID_CHARACTERS = 32
# A release tells what followed the actions of so many days.
FOLLOWED_DAYS = 28
# Days of actions that a school's own page sums up.
SUMMED_DAYS = 14
Row = dict[str, Any]


@dataclass(frozen=True)
class Action:
    """What one person did for one pupil on one competency; ``is_retraction`` takes it back."""

    student_key: str
    competency_id: str
    kind: str
    action_date: date
    school_id: str
    account_id: str
    role: str
    note: str | None = None
    is_retraction: bool = False

    @property
    def action_id(self) -> str:
        """The same for the same kind of action on the same day."""
        text = "\x1f".join((self.student_key, self.competency_id, self.action_date.isoformat(), self.kind))
        return hashlib.sha256(text.encode()).hexdigest()[:ID_CHARACTERS]


def log_action(settings: Settings, action: Action, recorded_at: datetime | None = None) -> Row | None:
    """Append the action, or that it is taken back; None where that is so already (a form sent twice).

    Raises CairnError, before anything is written, for a kind that is none of the district's and for a bad note.
    """
    return next(iter(log_actions(settings, [action], recorded_at)), None)


def log_actions(settings: Settings, actions: Iterable[Action], recorded_at: datetime | None = None) -> list[Row]:
    """The same for several actions, as of a whole group, in one commit: all of them or none; the rows added."""
    kinds = load_teacher_words(settings).action_kinds
    instant = recorded_at or datetime.now(UTC)
    rows: dict[str, Row] = {}
    for action in actions:
        if not action.is_retraction and action.kind not in kinds:
            raise CairnError(gettext("Say what was done, one of {kinds}.").format(kinds=", ".join(kinds)))
        rows[action.action_id] = asdict(action) | {
            "action_id": action.action_id,
            "note": checked_note(action.note or ""),
            "recorded_at": instant,
        }
    with lake.lease(settings, "teacher-actions", wait_seconds=WAIT_SECONDS) as is_ours:
        if not is_ours:
            raise CairnError(gettext("Others are writing just now: try again."))
        standing_ids = {
            one["action_id"] for one in read_actions(settings, {row["student_key"] for row in rows.values()})
        }
        added = [row for row in rows.values() if (row["action_id"] in standing_ids) == row["is_retraction"]]
        if added:
            lake.append(settings, TABLE, added)
    return added


def read_actions(settings: Settings, student_keys: Collection[str] | None = None) -> list[Row]:
    """Actions that stand, newest first: the last row of each is no retraction (stg_action.sql says the same)."""
    keys = None if student_keys is None else pa.array(sorted(student_keys), pa.string())
    filters = None if keys is None else pc.field("student_key").isin(keys)
    found = lake.read_newest(settings, TABLE, filters)
    return standing(found.to_pylist()) if found is not None else []


def standing(rows: Iterable[Row]) -> list[Row]:
    """Of the ledger's rows those that stand, newest first."""
    last = {row["action_id"]: row for row in sorted(rows, key=lambda row: row["recorded_at"])}
    kept = [row for row in last.values() if not row["is_retraction"]]
    return sorted(kept, key=lambda row: (row["action_date"], row["recorded_at"], row["action_id"]), reverse=True)
