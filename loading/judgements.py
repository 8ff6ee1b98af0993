"""A teacher's word beside the computed state: an append-only ledger of what was said, withdrawn and until when.

It changes no state and no sum of the model. Of a pupil and competency the newest row counts: nothing stands where that
is a withdrawal, or where its last day is past.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.language import gettext
from cairn.settings import Settings
from cairn.teacher_words import TeacherWords, checked_note, load_teacher_words

TABLE = "silver.teacher_judgement"
MASTERED, NOT_YET, WITHDRAWN = "mastered", "not_yet", "withdrawn"
SAYINGS = (MASTERED, NOT_YET, WITHDRAWN)
WAIT_SECONDS = 30.0
ID_CHARACTERS = 32
Row = dict[str, Any]
Source = Literal["page", "file"]


@dataclass(frozen=True)
class Judgement:
    """What one person said of one pupil and competency; ``until_date`` is the last local day on which it holds."""

    student_key: str
    competency_id: str
    said: str
    said_date: date
    role: str
    source: Source
    reason: str | None = None
    note: str | None = None
    until_date: date | None = None
    school_id: str | None = None
    account_id: str | None = None

    def checked(self, words: TeacherWords) -> Judgement:
        """As it goes into the ledger. Raises CairnError saying what to mend, in words for a page or a file's row."""
        if self.said not in SAYINGS:
            raise CairnError(gettext("Say one of {words}.").format(words=", ".join(SAYINGS)))
        if self.said == WITHDRAWN:
            return Judgement(
                **asdict(self) | {"reason": None, "until_date": None, "note": checked_note(self.note or "")}
            )
        if self.reason not in words.override_reasons:
            told = gettext("Give the reason, one of {reasons}.")
            raise CairnError(told.format(reasons=", ".join(words.override_reasons)))
        if self.until_date is not None and self.until_date < self.said_date:
            raise CairnError(gettext("The last day lies before the day on which it was said."))
        return Judgement(**asdict(self) | {"note": checked_note(self.note or "")})


def say(settings: Settings, judgements: Iterable[Judgement], recorded_at: datetime | None = None) -> list[Row]:
    """Append to the ledger what is new in it, in one commit; returns the rows added.

    What stands already is not added again (a form sent twice), nor is a row of a file that came before, nor a
    withdrawal where nothing stands. Raises CairnError for what cannot be said, before anything is written.
    """
    words = load_teacher_words(settings)
    wanted = sorted((one.checked(words) for one in judgements), key=lambda one: one.said_date)
    instant = recorded_at or datetime.now(UTC)
    # Two at once would each take the same row for the newest.
    with lake.lease(settings, "teacher-judgements", wait_seconds=WAIT_SECONDS) as is_ours:
        if not is_ours:
            raise CairnError(gettext("Others are writing just now: try again."))
        known = read_judgements(settings, {one.student_key for one in wanted})
        added: list[Row] = []
        by_pair: dict[tuple[str, str], list[Row]] = {}
        for old in known:
            by_pair.setdefault((old["student_key"], old["competency_id"]), []).append(old)
        for one in wanted:
            rows = by_pair.setdefault((one.student_key, one.competency_id), [])
            row = _row_after(one, rows, instant)
            if row is not None:
                rows.append(row)
                added.append(row)
        if added:
            lake.append(settings, TABLE, added)
    return added


def _row_after(one: Judgement, rows: Sequence[Row], instant: datetime) -> Row | None:
    """The ledger's row of a saying, after those of its pupil and competency; None where it adds nothing."""
    before = newest([row for row in rows if row["said_date"] <= one.said_date])
    content = asdict(one)
    if one.source == "page" and before and all(before[key] == content[key] for key in content if key != "said_date"):
        return None
    is_open = before is not None and before["said"] != WITHDRAWN
    if one.said == WITHDRAWN and not is_open:
        return None
    previous_id = before["judgement_id"] if before else None
    # A file's row is the same whatever was said since; on a page the same words may be said again after others.
    parts = [*content.values(), previous_id if one.source == "page" else None]
    text = "\x1f".join("" if part is None else str(part) for part in parts)
    judgement_id = hashlib.sha256(text.encode()).hexdigest()[:ID_CHARACTERS]
    if any(row["judgement_id"] == judgement_id for row in rows):
        return None
    return {"judgement_id": judgement_id, **content, "previous_id": previous_id, "recorded_at": instant}


def read_judgements(
    settings: Settings, student_keys: Collection[str] | None = None, since: datetime | None = None
) -> list[Row]:
    """Rows of the ledger, oldest first; of some pupils only, or only those that became known after an instant."""
    return ledger_rows(settings, student_keys, since) or []


def ledger_rows(
    settings: Settings, student_keys: Collection[str] | None = None, since: datetime | None = None
) -> list[Row] | None:
    """As :func:`read_judgements`; None where there is no ledger yet."""
    filters = None
    if student_keys is not None:
        filters = pc.field("student_key").isin(pa.array(sorted(student_keys), pa.string()))
    if since is not None:
        is_new = pc.field("recorded_at") > since
        filters = is_new if filters is None else filters & is_new
    found = lake.read_newest(settings, TABLE, filters)
    return None if found is None else sorted(found.to_pylist(), key=_order)


def _order(row: Mapping[str, Any]) -> tuple[date, datetime, str]:
    """In the order of saying: stg_teacher_judgement.sql and int_override.sql say the same."""
    return row["said_date"], row["recorded_at"], row["judgement_id"]


def newest(rows: Sequence[Row]) -> Row | None:
    """The row that was said last, of rows of one pupil and competency."""
    return max(rows, key=_order, default=None)


def standing(rows: Iterable[Row], on_date: date) -> dict[tuple[str, str], Row]:
    """What stands on a local day, by pupil and competency: the newest row said by then, unless withdrawn or ended."""
    last: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=_order):
        if row["said_date"] <= on_date:
            last[row["student_key"], row["competency_id"]] = row
    return {
        pair: row
        for pair, row in last.items()
        if row["said"] != WITHDRAWN and (row["until_date"] is None or row["until_date"] >= on_date)
    }


def words_of(settings: Settings, student_key: str, competency_id: str, on_date: date) -> list[dict[str, Any]]:
    """What was said of a pupil on a competency up to a local day, oldest first, each with whether it stands then.

    Without the note: that is for the school's own leader.
    """
    rows = [row for row in read_judgements(settings, [student_key]) if row["competency_id"] == competency_id]
    last = standing(rows, on_date).get((student_key, competency_id))
    shown = ("judgement_id", "said", "said_date", "until_date", "reason", "role", "source", "previous_id")
    return [
        {key: row[key].isoformat() if isinstance(row[key], date) else row[key] for key in shown}
        | {"is_standing": row is last}
        for row in rows
        if row["said_date"] <= on_date
    ]
