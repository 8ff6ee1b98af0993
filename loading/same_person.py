"""What a person decides about who is who, in vault and lake: an identifier's person, two records of one, taken apart.

No event changes. Links and roster rows are versions appended at the instant of the decision, so that an answer as of an
earlier instant is what it was; the next night restates the pupils concerned. Run again after a crash, each of them ends
where it would have.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.contracts import Contract, all_contracts
from cairn.settings import Settings
from identity.merging import Merge
from identity.vault import Link, Vault
from loading.history import CURRENT, apply_all
from loading.people import one_student
from loading.sections import LINKS
from loading.snapshot import RECORDED, Snapshot, keys_of, payload_of


def link_student(
    settings: Settings, student: str, kind: str, value: str, *, by: str = "unknown", reason: str = ""
) -> dict[str, Any]:
    """Append a link from an identifier to a person. Returns links and restated (student keys whose work changes)."""
    instant = datetime.now(UTC)
    vault = Vault(settings)
    key = one_student(vault, student)
    links = vault.link(key, kind, value, at=instant, by=by, reason=reason)
    apply_all(settings, [Snapshot(table=LINKS, rows=[link.as_row() for link in links])], instant)
    return _told(links, {link.student_key for link in links})


def merge_students(
    settings: Settings, kept: str, gone: str, *, by: str = "unknown", reason: str = ""
) -> dict[str, Any]:
    """Make two records one person, known by the first's key. Returns links, restated, moved (rows by table).

    Raises CairnError where one is not known, or was merged before into somebody else.
    """
    instant = datetime.now(UTC)
    vault = Vault(settings)
    # A key is taken as it is: that of a record that was merged already means the other one.
    kept_key, gone_key = (given if vault.knows(given) else one_student(vault, given) for given in (kept, gone))
    merged = vault.merge(kept_key, gone_key, by=by, reason=reason, at=instant)
    rows = [_merged_rows(settings, contract, merged) for contract in person_tables()]
    return _applied(settings, vault, merged, rows, instant)


def split_students(settings: Settings, student: str, *, by: str = "unknown", reason: str = "") -> dict[str, Any]:
    """Take the newest merge that a person is in apart. Returns links, restated, moved (rows by table).

    Raises CairnError where there is none.
    """
    instant = datetime.now(UTC)
    vault = Vault(settings)
    key = student if vault.knows(student) else one_student(vault, student)
    undone = vault.split(key, by=by, reason=reason, at=instant)
    rows = [_split_rows(settings, contract, undone) for contract in person_tables()]
    return _applied(settings, vault, undone, rows, instant)


def rotate_key(settings: Settings) -> dict[str, Any]:
    """Take a new version of the subject key into use, in vault and lake. Returns version, links, to_link_again.

    ``links``: links that came under the new key; ``to_link_again``: identifiers linked by hand whose plain form nobody
    knows: what comes under the new key for them waits until they are linked again.
    """
    instant = datetime.now(UTC)
    vault = Vault(settings)
    done = vault.rotate()
    rows = [link.as_row() for link in vault.links_of(done.subject_keys)]
    apply_all(settings, [Snapshot(table=LINKS, rows=rows)], instant)
    return {"version": done.version, "links": len(rows), "to_link_again": done.unknown}


def person_tables() -> list[Contract]:
    """Two-time tables whose rows are about a person, by student key: what a merge moves beside the links."""
    return [
        contract
        for contract in all_contracts()
        if contract.name != LINKS and {"student_key", *RECORDED} <= set(contract.column_names)
    ]


def _applied(
    settings: Settings, vault: Vault, merged: Merge, snapshots: Iterable[Snapshot], instant: datetime
) -> dict[str, Any]:
    links = vault.links_of(merged.subject_keys)
    # What the vault says of these identifiers is all there is: other links of theirs hold no more.
    of_links = Snapshot(LINKS, [link.as_row() for link in links], ended_ids=merged.subject_keys)
    changes = apply_all(settings, [of_links, *snapshots], instant)
    moved = {table: change.added + change.changed for table, change in changes.items() if table != LINKS}
    told = _told(links, {merged.kept_key, merged.gone_key})
    return told | {"moved": {table: rows for table, rows in sorted(moved.items()) if rows}}


def _told(links: Iterable[Link], restated: set[str]) -> dict[str, Any]:
    return {"links": [{"kind": link.kind, **link.as_row()} for link in links], "restated": sorted(restated)}


def _is_keyed_by_person(contract: Contract) -> bool:
    """Whether one row is one person (the person, her groups), not one thing of hers (an enrolment, a result)."""
    return keys_of(contract) == ["student_key"]


def _merged_rows(settings: Settings, contract: Contract, merged: Merge) -> Snapshot:
    """The things of the record that went, now the other's; what the roster says of that record itself ends."""
    known = lake.read(settings, contract.name, filters=CURRENT & (pc.field("student_key") == merged.gone_key))
    if _is_keyed_by_person(contract):
        return Snapshot(contract.name, [], ended_ids=[merged.gone_key] if known.num_rows else [])
    return Snapshot(contract.name, _of(known, contract, merged.kept_key))


def _split_rows(settings: Settings, contract: Contract, undone: Merge) -> Snapshot:
    """What was the other record's when they were merged, and is now the one's: the other's again."""
    was_theirs = (pc.field("student_key") == undone.gone_key) & (pc.field("recorded_to") >= undone.merged_at)
    before = lake.read(settings, contract.name, filters=was_theirs).sort_by([("recorded_to", "descending")])
    if _is_keyed_by_person(contract):
        return Snapshot(contract.name, _of(before.slice(0, 1), contract, undone.gone_key))
    key = keys_of(contract)[0]
    still = CURRENT & (pc.field("student_key") == undone.kept_key) & pc.field(key).isin(pc.unique(before[key]))
    return Snapshot(contract.name, _of(lake.read(settings, contract.name, filters=still), contract, undone.gone_key))


def _of(rows: pa.Table, contract: Contract, student_key: str) -> list[dict[str, Any]]:
    """The rows in what they say of the world, as another person's."""
    return [{**row, "student_key": student_key} for row in rows.select(payload_of(contract)).to_pylist()]
