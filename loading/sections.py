"""A roster's sections: student keys in place of sourcedIds, then into history.

What goes into history comes keyed: no name, mail or sourcedId of a person reaches the lake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cairn.rostering.oneroster_model import Roster
from cairn.rostering.tabular import Problem
from cairn.settings import Settings
from identity.crosswalk import SOURCED_ID
from identity.vault import Vault
from loading.history import apply_all
from loading.snapshot import Change, Row, Snapshot

LINKS = "silver.identity_link"
PERSON = "silver.person"
ENROLLMENT = "silver.enrollment"
FACT = "silver.fact"
# Sections whose rows name a person: by sourcedId in the file, by student_key in the lake.
FILE_OF = {
    PERSON: "users.csv",
    ENROLLMENT: "enrollments.csv",
    "silver.demographic": "demographics.csv",
    FACT: "results.csv",
}
# Of these the ids are their own, not those of people.
OWN_ID = {ENROLLMENT: "enrollment_id", FACT: "fact_id"}


@dataclass(frozen=True)
class KeyedSection:
    """One table's part of a package, keyed; see ``cairn.rostering.oneroster_model.Section``."""

    table: str
    rows: Sequence[Row]
    is_bulk: bool
    ended_ids: Sequence[str] = ()
    kept_ids: Sequence[str] = ()


def load_sections(
    settings: Settings,
    sections: Sequence[KeyedSection],
    links: Sequence[Row],
    ended_date: date,
    recorded_at: datetime | None = None,
) -> dict[str, Change]:
    """Write the sections and the links of their people; table -> what changed.

    ``ended_date``: local day of the load. An enrolment that the roster no longer names is true until that day (or
    its own earlier end): what a pupil did in a class stays that class's. Links are never ended by absence.
    """
    snapshots = [
        Snapshot(
            table=section.table,
            rows=section.rows,
            is_bulk=section.is_bulk,
            ended_ids=section.ended_ids,
            kept_ids=section.kept_ids,
            ends_on=ended_date if section.table == ENROLLMENT else None,
        )
        for section in sections
    ]
    snapshots.append(Snapshot(table=LINKS, rows=links))
    return apply_all(settings, snapshots, recorded_at)


def keyed_sections(vault: Vault, roster: Roster, keys: Mapping[str, str]) -> list[KeyedSection]:
    """Sections with student keys in place of sourcedIds; who the vault does not know is refused."""
    named: set[str] = set()
    for table in FILE_OF:
        section = roster.sections[table]
        named.update(row["sourced_id"] for row in section.rows)
        if table not in OWN_ID:
            named.update(section.ended_ids, section.kept_ids)
    known = {**vault.resolve(SOURCED_ID, named - set(keys)), **keys}
    merged = vault.merged_away(named)
    keyed = []
    for table, section in roster.sections.items():
        if not section.is_present:
            continue
        rows, ended, kept = section.rows, section.ended_ids, section.kept_ids
        if table in FILE_OF:
            # Of a person who came twice the last row counts: that of the record which stayed.
            own = sorted(rows, key=lambda row: row["sourced_id"] not in merged)
            rows = [_keyed(row, known) for row in own if row["sourced_id"] in known]
            file = FILE_OF[table]
            reason = "names a person who is in no roster yet: load users.csv first"
            unknown = [row for row in section.rows if row["sourced_id"] not in known]
            roster.problems += [Problem(file, row["line"], reason) for row in unknown]
            if table not in OWN_ID:
                ended = [one for one in ended if one not in merged]
                ended, kept = ([known[i] for i in ids if i in known] for ids in (ended, kept))
            else:  # it may be known, of somebody else
                kept = [*kept, *(row[OWN_ID[table]] for row in unknown)]
        keyed.append(KeyedSection(table, rows, section.ends_unnamed, ended, kept))
    return keyed


def _keyed(row: Row, known: Mapping[str, str]) -> dict[str, object]:
    columns = {name: value for name, value in row.items() if name not in ("sourced_id", "line")}
    return {**columns, "student_key": known[str(row["sourced_id"])]}
