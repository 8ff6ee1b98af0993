"""Teachers' words and actions as they stand now, read from their ledgers: a release knows those of its night only."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from answers import wording
from cairn.errors import CairnError
from cairn.language import gettext
from cairn.settings import Settings
from loading.actions import FOLLOWED_DAYS, read_actions
from loading.judgements import ledger_rows, standing

LOG = logging.getLogger("portal")
Row = dict[str, Any]
# What makes an action one and the same, in ledger and mart.
ACTION_KEY = ("student_key", "competency_id", "action_date", "action")


def local_today(settings: Settings) -> date:
    """The district's day now."""
    return datetime.now(UTC).astimezone(settings.zone).date()


@dataclass(frozen=True)
class WordsNow:
    """What stands by pupil and competency, and all that was said, newest first.

    ``is_read`` is False where there is no ledger, or it could not be read (``has_failed``): then only what the release
    knows is shown.
    """

    standing: Mapping[tuple[str, str], Row] = field(default_factory=dict)
    said: tuple[Row, ...] = ()
    is_read: bool = True
    has_failed: bool = False

    def label(self, row: Mapping[str, Any]) -> str:
        """The word beside a mart's row, as a sentence part; says what came, or ended, since the release's night."""
        known = row.get("override_state")
        if not self.is_read:
            return _label(row) if known else ""
        now = self.standing.get((row["student_key"], row["competency_id"]))
        if now is None:
            return gettext("{word}; withdrawn or ended since the night").format(word=_label(row)) if known else ""
        is_same = (known, row.get("override_date")) == (now["said"], now["said_date"])
        since = "" if is_same else " " + gettext("(since the night)")
        return wording.said(now["said"], now["said_date"], now["role"], now["until_date"]) + since

    def of_school(self, school_id: str) -> WordsNow:
        """For a school's own page: what stands stands, but why, and what was said before, stay where it was said.

        A row without a school came by a file of the district's.
        """
        elsewhere = dict.fromkeys(("reason", "note"))
        standing_here = {
            pair: row if row["school_id"] in (None, school_id) else row | elsewhere
            for pair, row in self.standing.items()
        }
        said = tuple(row for row in self.said if row["school_id"] in (None, school_id))
        return replace(self, standing=standing_here, said=said)


def _label(row: Mapping[str, Any]) -> str:
    return wording.said(
        row["override_state"], row["override_date"], row.get("override_by_role"), row.get("override_until_date")
    )


def words_now(settings: Settings, student_keys: Collection[str]) -> WordsNow:
    """What is said of some pupils now. A lake that does not answer is no reason to show no page."""
    try:
        rows = ledger_rows(settings, student_keys)
    except (CairnError, OSError) as error:
        LOG.error("teachers' words cannot be read: %s", type(error).__name__)
        return WordsNow(is_read=False, has_failed=True)
    if rows is None:
        return WordsNow(is_read=False)
    return WordsNow(standing(rows, local_today(settings)), tuple(reversed(rows)))


def actions_now(settings: Settings, student_keys: Collection[str], known: Iterable[Row], data_date: date) -> list[Row]:
    """What a page logged for the pupils and the release does not know, newest first; ``known`` are the mart's rows.

    Without what is too old for a release of that data date to tell. Empty where the ledger cannot be read: what the
    release knows is shown all the same.
    """
    of_release = {tuple(row[key] for key in ACTION_KEY) for row in known}
    try:
        rows = read_actions(settings, student_keys)
    except (CairnError, OSError) as error:
        LOG.error("actions cannot be read: %s", type(error).__name__)
        return []
    named = [row | {"action": row["kind"]} for row in rows]
    first = data_date - timedelta(days=FOLLOWED_DAYS)
    return [
        row for row in named if row["action_date"] > first and tuple(row[key] for key in ACTION_KEY) not in of_release
    ]
