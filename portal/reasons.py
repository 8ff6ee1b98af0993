"""Why the central office may see names: a reason for one pupil or one school, half an hour, in one session.

It is given before a name shows and stands as the purpose of every disclosure that it opened. What it is about is kept
as a hash: no key of a pupil lies beside the sessions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from answers.accounts import reading, writing
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.teacher_words import checked_note
from portal.sign_in import token_hash

REASON_SECONDS = 30 * 60
# A mail address or a number as registers have them: whoever reads the log of disclosures need not know it.
IDENTIFIER = re.compile(r"@|\d{5}")


def told(reasons: Mapping[str, str], code: str, note: str) -> str:
    """A reason as the log of disclosures has it. Raises CairnError, with what to mend, where the form is not filled."""
    if code not in reasons:
        raise CairnError("Choose a reason.")
    line = checked_note(note)
    if line and IDENTIFIER.search(line):
        raise CairnError("Leave out addresses and numbers of people: the line stays in the log.")
    return f"{reasons[code]}: {line}" if line else reasons[code]


def give(settings: Settings, token: str, about: str, reason: str) -> None:
    """Keep a reason with the session of ``token``; ``about`` is ``pupil:KEY`` or ``school:ID``."""
    now = time.time()
    with writing(settings) as database:
        database.execute("delete from named_reason where until < ?", (now,))
        database.execute(
            "insert into named_reason values (?1, ?2, ?3, ?4)"
            " on conflict (session_hash, about) do update set reason = ?3, until = ?4",
            (token_hash(token), token_hash(about), reason, now + REASON_SECONDS),
        )


def standing(settings: Settings, token: str, about: str) -> str | None:
    """The reason that this session gave for it and that still holds, or None."""
    with reading(settings) as database:
        row = database.execute(
            "select reason from named_reason where session_hash = ? and about = ? and until > ?",
            (token_hash(token), token_hash(about), time.time()),
        ).fetchone()
    return str(row[0]) if row else None
