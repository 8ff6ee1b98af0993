"""People of a delta: what it leaves out of a row, since it did not change, is what is known.

A delta of users.csv need not bring the rows of roles.csv and enrollments.csv that stayed as they were.
"""

from __future__ import annotations

import pyarrow.compute as pc

import lake
from cairn.rostering.oneroster_model import Roster
from cairn.rostering.oneroster_people import NO_ROLE
from cairn.rostering.tabular import Problem
from cairn.settings import Settings
from identity.crosswalk import SOURCED_ID
from identity.vault import Vault
from loading.history import CURRENT
from loading.sections import PERSON


def fill_from_known(settings: Settings, vault: Vault, roster: Roster) -> None:
    """Give a delta's people the role and school that are known, where it names none; before the vault takes them in.

    Whoever is not known and has no role is refused, with the line.
    """
    section = roster.sections[PERSON]
    open_ids = {row["sourced_id"] for row in section.rows if row["role"] is None} | section.without_school
    if not open_ids:
        return
    keys = vault.resolve(SOURCED_ID, open_ids)
    among = CURRENT & pc.field("student_key").isin(sorted(set(keys.values())))
    rows = lake.read(settings, PERSON, ["student_key", "role", "school_id"], among).to_pylist() if keys else []
    known = {row["student_key"]: row for row in rows}
    for row in section.rows:
        before = known.get(keys.get(row["sourced_id"], ""))
        if before is not None:
            row["role"] = row["role"] or before["role"]
            if row["sourced_id"] in section.without_school:
                row["school_id"] = before["school_id"] or row["school_id"]
    refused = {row["sourced_id"]: row["line"] for row in section.rows if row["role"] is None}
    section.rows = [row for row in section.rows if row["role"] is not None]
    section.kept_ids += refused
    roster.people = [person for person in roster.people if person.sourced_id not in refused]
    roster.problems += [Problem("users.csv", line, NO_ROLE) for line in refused.values()]
