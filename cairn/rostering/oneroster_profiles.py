"""userProfiles.csv: the account that a person has in a vendor's app, as one more identifier outside.

The district's identity.yaml says under ``profiles`` which vendor and application are which kind of identifier: what the
app sends as its account then means the person, without a crosswalk file. Passwords and descriptions are read past.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from cairn.rostering.oneroster_model import TO_BE_DELETED, Roster, needed, status_of
from cairn.rostering.tabular import CellError, Problem, Row, Table

USER_PROFILES = "userProfiles"
# (kind, value), as the vault takes it.
Identifier = tuple[str, str]


def read_profiles(roster: Roster, table: Table | None, identity: Mapping[str, Any]) -> dict[str, list[Identifier]]:
    """Identifiers by the person's sourcedId; refused rows, and how much was of use, become problems of the roster."""
    found: dict[str, list[Identifier]] = defaultdict(list)
    if table is None:
        return found
    rules = identity.get("profiles") or ()
    for row in table.rows:
        try:
            user = needed(row, "userSourcedId")
            if status_of(row) == TO_BE_DELETED or not row.get("username"):
                continue
            found[user] += [(str(rule["kind"]), row.get("username")) for rule in rules if _is_meant(row, rule)]
        except CellError as error:
            roster.problems.append(Problem(table.name, row.line, str(error)))
    used = sum(map(len, found.values()))
    note = (
        f"{table.row_count:,} rows read, {used:,} are identifiers by identity.yaml's profiles; the rest is not stored"
    )
    roster.problems.append(Problem(table.name, 1, note, is_rejected=False))
    return found


def _is_meant(row: Row, rule: Mapping[str, Any]) -> bool:
    """Whether a rule's vendor and application, those of the two that it names, are the row's."""
    named = [
        (column, str(rule[key]))
        for key, column in (("vendor", "vendorId"), ("application", "applicationId"))
        if key in rule
    ]
    return bool(named) and all(row.get(column).lower() == value.lower() for column, value in named)
