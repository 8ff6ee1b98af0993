"""The vault: who is who. The only place that can turn keys into people, and it writes down each time it does.

A person has a random ``student_key``; fields lie sealed (AES-256-GCM, bound to the key they belong to); identifiers
are kept only as the subject keys they have outside, so that looking one up needs no plain text at rest. Names leave
through :meth:`Vault.names` alone, which writes the disclosure down (``identity.disclosure_log``) before it answers.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.keys import DistrictKeys
from cairn.sealing import Sealer
from cairn.settings import Settings
from cairn.sqlite_file import give_back
from identity import claims, forgetting, merging, rotation
from identity.claims import SharedIdentifier, iso
from identity.crosswalk import SOURCED_ID, identifiers_of, load_rules
from identity.disclosure_log import Disclosure, DisclosureKind, write_down
from identity.forgetting import Identity
from identity.merging import Merge
from identity.rotation import Rotated
from identity.vault_file import Store, select_in

STUDENT_KEY_PREFIX = "p_"
STUDENT_KEY_BYTES = 12
KEPT_FIELDS = (
    *("sourced_id", "given_name", "family_name", "preferred_given_name", "preferred_family_name"),
    *("username", "email", "identifier"),
)


@dataclass(frozen=True)
class PersonName:
    """A person's name; ``display`` is what pages print. Never logged: its repr is empty."""

    given: str
    family: str
    display: str
    sourced_id: str

    def __repr__(self) -> str:
        """Nothing of the person."""
        return "PersonName()"


@dataclass(frozen=True)
class Link:
    """One row of silver.identity_link without the recorded times, with the identifier's kind."""

    subject_key: str
    student_key: str
    kind: str
    valid_from: datetime
    valid_to: datetime | None
    reason: str

    def as_row(self) -> dict[str, Any]:
        """Columns of silver.identity_link."""
        return {
            "subject_key": self.subject_key,
            "student_key": self.student_key,
            "valid_from": self.valid_from,
            "valid_to": self.valid_to,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class TakenIn:
    """What taking people in did. ``keys``: sourcedId -> student_key; ``links``: every link that they touch."""

    keys: dict[str, str]
    links: list[Link]


class Vault:
    """The vault of a home. Opening it makes the file and the keys on first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sealer = Sealer(settings)
        self._store = Store(settings.vault_dir)
        with self._store.connect() as connection:
            self._keys = DistrictKeys.load(settings, rotation.version(connection))
        self._rules = load_rules(settings)

    @property
    def path(self) -> Path:
        """The vault's file."""
        return self._store.path

    def register(self, people: Iterable[Any], *, at: datetime | None = None) -> dict[str, str]:
        """:meth:`take_in` of people beside everybody there is; returns sourcedId -> student_key."""
        return self.take_in(people, at=at).keys

    def take_in(
        self,
        people: Iterable[Any],
        *,
        reason: str = "roster",
        at: datetime | None = None,
        living: Collection[str] | None = None,
    ) -> TakenIn:
        """Take people in, or bring what is kept of them up to date.

        ``people``: objects or mappings with ``sourced_id`` and any of KEPT_FIELDS, and ``identifiers``, further
        (kind, value) pairs. One transaction; the same people again change nothing. ``living``: keys of the people
        whose claims count beside theirs (None: everybody's). An identifier that moved to another person ends there at
        ``at`` and begins here; one that two living people claim links to neither, see :meth:`shared`.
        """
        instant = at or datetime.now(UTC)
        records = {record["sourced_id"]: record for record in (_record(person) for person in people)}
        source_keys = {sourced: self._keys.subject_key(SOURCED_ID, sourced) for sourced in records}
        with self._store.transaction() as connection:
            found = self._people(connection, list(source_keys.values()))
            keys = {
                sourced: found[source][0]
                if source in found
                else STUDENT_KEY_PREFIX + secrets.token_hex(STUDENT_KEY_BYTES)
                for sourced, source in source_keys.items()
            }
            self._save_people(connection, records, keys, source_keys, found, instant)
            # A record that was merged keeps its own name and speaks for the person it was merged into.
            in_part = merging.named_in_part(connection, set(keys.values()))
            present = merging.stands_for(connection, keys.values())
            keys = {sourced: present[student] for sourced, student in keys.items()}
            claimed: dict[str, set[claims.Identifier]] = {student: set() for student in keys.values()}
            for sourced, record in records.items():
                claimed[keys[sourced]].update(
                    (self._keys.subject_key(kind, value), kind)
                    for kind, value in (*identifiers_of(record, self._rules), *record["identifiers"])
                )
                for kind, value in record["identifiers"]:
                    rotation.keep_value(connection, self._sealer, self._keys, kind, value)
            # What a record claims that did not come stays, but for a whole roster, which has it no more.
            added_to = in_part if living is None else in_part.intersection(living)
            touched = claims.claim(connection, claimed, living, reason, instant, added_to)
        return TakenIn(keys, self._links(keys.values(), touched))

    def merged_away(self, sourced_ids: Iterable[str]) -> set[str]:
        """Those whose record was merged into another: that such a row ends does not end the person."""
        sources = {self._keys.subject_key(SOURCED_ID, sourced): sourced for sourced in sourced_ids}
        with self._store.connect() as connection:
            return {sources[source] for source in merging.gone_among(connection, list(sources))}

    def shared(self) -> list[SharedIdentifier]:
        """Identifiers that more than one living person claims, and which mean nobody, or whom a hand chose."""
        with self._store.connect() as connection:
            return claims.shared(connection)

    def _people(self, connection: sqlite3.Connection, source_keys: Sequence[str]) -> dict[str, tuple[str, str]]:
        """source key -> (student_key, hash of the fields) of people already here."""
        query = "SELECT source_key, student_key, fields_hash FROM person WHERE source_key IN ({})"
        return {source: (student, fields) for source, student, fields in select_in(connection, query, source_keys)}

    def _save_people(
        self,
        connection: sqlite3.Connection,
        records: Mapping[str, Mapping[str, Any]],
        keys: Mapping[str, str],
        source_keys: Mapping[str, str],
        found: Mapping[str, tuple[str, str]],
        instant: datetime,
    ) -> None:
        """Seal and write people who are new or whose fields changed."""
        rows = []
        for sourced, record in records.items():
            fields = json.dumps({name: record[name] for name in KEPT_FIELDS}, ensure_ascii=False).encode()
            fields_hash = self._keys.content_hash(fields)
            known = found.get(source_keys[sourced])
            if known is None or known[1] != fields_hash:
                sealed = self._sealer.seal(fields, keys[sourced].encode())
                rows.append((keys[sourced], source_keys[sourced], sealed, fields_hash, iso(instant), iso(instant)))
        connection.executemany(
            "INSERT INTO person VALUES (?,?,?,?,?,?) ON CONFLICT (student_key) DO UPDATE SET sealed = excluded.sealed,"
            " fields_hash = excluded.fields_hash, updated_at = excluded.updated_at",
            rows,
        )

    def resolve(self, kind: str, values: Iterable[str]) -> dict[str, str]:
        """value -> student_key for identifiers of a kind that mean somebody now; the others are left out.

        Gives no name away, so it is not a disclosure.
        """
        spellings: dict[str, list[str]] = defaultdict(list)
        for value in set(values):
            if value:
                spellings[self._keys.subject_key(kind, value)].append(value)
        query = "SELECT subject_key, student_key FROM identifier WHERE valid_to IS NULL AND subject_key IN ({})"
        with self._store.connect() as connection:
            rows = list(select_in(connection, query, list(spellings)))
        return {value: student for subject, student in rows for value in spellings[subject]}

    def shared_among(self, kind: str, values: Iterable[str]) -> set[str]:
        """Those of the values, identifiers of a kind, that mean nobody because several living people claim them."""
        spellings = {value: self._keys.subject_key(kind, value) for value in set(values) if value}
        several = {one.subject_key for one in self.shared() if one.means is None}
        return {value for value, subject in spellings.items() if subject in several}

    def find(self, value: str) -> list[str]:
        """Student keys that ``value`` may mean: itself a key, or an identifier of any kind in identity.yaml."""
        with self._store.connect() as connection:
            row = connection.execute("SELECT student_key FROM person WHERE student_key = ?", (value,)).fetchone()
            if row:
                return [merging.stands_for(connection, [value])[value]]
        found = (self.resolve(rule.kind, [value]) for rule in self._rules)
        return sorted({student for resolved in found for student in resolved.values()})

    def links_for(self, student_keys: Iterable[str]) -> list[Link]:
        """Every link of the people, past ones too, by identifier; with those that took an identifier over."""
        return self._links(student_keys, ())

    def _links(self, student_keys: Iterable[str], subject_keys: Iterable[str]) -> list[Link]:
        """Every link of the identifiers that ever meant one of the people, and of those that are named."""
        columns = "subject_key, student_key, kind, valid_from, valid_to, reason"
        of_subjects = f"SELECT {columns} FROM identifier WHERE subject_key IN"
        theirs = f"{of_subjects} (SELECT subject_key FROM identifier WHERE student_key IN ({{}}))"
        with self._store.connect() as connection:
            rows = set(select_in(connection, theirs, sorted(set(student_keys))))
            rows.update(select_in(connection, f"{of_subjects} ({{}})", sorted(set(subject_keys))))
        return [
            Link(subject, student, kind, datetime.fromisoformat(begins), _instant(ends), reason)
            for subject, student, kind, begins, ends, reason in sorted(rows, key=lambda row: (row[0], row[3]))
        ]

    def link(
        self,
        student_key: str,
        kind: str,
        value: str,
        *,
        at: datetime | None = None,
        by: str = "unknown",
        reason: str = "",
    ) -> list[Link]:
        """Say that an identifier means this person from now on (crosswalk); returns the links of that identifier.

        ``by`` and ``reason``: who decided it and why, kept in the vault. Raises CairnError where there is no such
        person.
        """
        instant = at or datetime.now(UTC)
        subject = self._keys.subject_key(kind, value)
        with self._store.transaction() as connection:
            if not connection.execute("SELECT 1 FROM person WHERE student_key = ?", (student_key,)).fetchone():
                raise CairnError(f"nobody in the vault has the key {student_key}: see 'cairn students show'")
            claims.claim_by_hand(connection, subject, student_key, kind)
            # Shared until now or not: one that never meant anybody is the person's for all time, since a hand says so.
            claims.settle(connection, {subject}, "crosswalk", instant, frozenset())
            rotation.keep_value(connection, self._sealer, self._keys, kind, value)
            _note(connection, instant, by, "link", student_key, subject, reason)
        return [link for link in self.links_for([student_key]) if link.subject_key == subject]

    def merge(self, kept_key: str, gone_key: str, *, by: str, reason: str, at: datetime | None = None) -> Merge:
        """Say that two records are one person, known by ``kept_key`` from now on; see :mod:`identity.merging`."""
        instant = at or datetime.now(UTC)
        with self._store.transaction() as connection:
            done = merging.merge(connection, kept_key, gone_key, instant)
            _note(connection, instant, by, "merge", kept_key, gone_key, reason)
        return done

    def split(self, student_key: str, *, by: str, reason: str, at: datetime | None = None) -> Merge:
        """Take the person's newest merge apart; see :mod:`identity.merging`."""
        instant = at or datetime.now(UTC)
        with self._store.transaction() as connection:
            undone = merging.split(connection, student_key, instant)
            _note(connection, instant, by, "split", undone.kept_key, undone.gone_key, reason)
        return undone

    def knows(self, student_key: str) -> bool:
        """Whether the vault has a record under the key, merged or not."""
        with self._store.connect() as connection:
            query = "SELECT 1 FROM person WHERE student_key = ?"
            return connection.execute(query, (student_key,)).fetchone() is not None

    def merges(self, student_key: str) -> list[Merge]:
        """Merges that hold and that the person is in, oldest first."""
        with self._store.connect() as connection:
            return merging.standing(connection, student_key)

    def decisions(self, student_key: str) -> list[dict[str, str]]:
        """What was decided by hand about a person, oldest first: decided_at, decided_by, decision, reason and whom."""
        columns = ("decided_at", "decided_by", "decision", "student_key", "other_key", "reason")
        query = f"SELECT {', '.join(columns)} FROM decision WHERE ? IN (student_key, other_key) ORDER BY decision_id"
        with self._store.connect() as connection:
            return [dict(zip(columns, row, strict=True)) for row in connection.execute(query, (student_key,))]

    def links_of(self, subject_keys: Iterable[str]) -> list[Link]:
        """Every link of some identifiers, past ones too."""
        return self._links((), subject_keys)

    def rotate(self) -> Rotated:
        """Take the next version of the district's subject key into use; see :mod:`identity.rotation`."""
        with self._store.transaction() as connection:
            done = rotation.rotate(connection, self.settings, self._sealer, self._rules)
        self._keys = DistrictKeys.load(self.settings, done.version)
        return done

    def identity(self, student_key: str) -> Identity:
        """A person as the keys that all else is found by; see :mod:`identity.forgetting`."""
        with self._store.connect() as connection:
            return forgetting.identity_of(connection, student_key)

    def forget(self, student_keys: Collection[str], erasure_id: str) -> int:
        """Take people out for good, bytes too; returns how many rows went. Done again it is nothing."""
        with self._store.transaction() as connection:
            gone = forgetting.forget(connection, student_keys, erasure_id, iso(datetime.now(UTC)))
        give_back(self._store.path)
        return gone

    def has_gone_through(self, erasure_id: str) -> bool:
        """Whether this vault went through an erasure: one restored from an older backup did not."""
        with self._store.connect() as connection:
            query = "SELECT 1 FROM erasure WHERE erasure_id = ?"
            return connection.execute(query, (erasure_id,)).fetchone() is not None

    def names(
        self,
        student_keys: Iterable[str],
        *,
        actor: str,
        purpose: str,
        kind: DisclosureKind,
        school_id: str | None = None,
        release_id: str | None = None,
        role: str | None = None,
        route: str | None = None,
    ) -> dict[str, PersonName]:
        """student_key -> name of the people the vault knows, written down as a disclosure before they are returned.

        Call once a page or file, not once a name. ``actor``: account or job, ``role`` the account's; ``purpose``: why,
        in a few words; ``route``: the page or command.
        """
        wanted = sorted(set(student_keys))
        query = "SELECT student_key, sealed FROM person WHERE student_key IN ({})"
        with self._store.connect() as connection:
            rows: list[tuple[Any, ...]] = list(select_in(connection, query, wanted))
        shown = [student for student, _ in rows]
        write_down(self.settings, Disclosure(actor, purpose, kind, shown, role, route, school_id, release_id))
        return {student: self._name(student, sealed) for student, sealed in rows}

    def _name(self, student_key: str, sealed: bytes) -> PersonName:
        fields = json.loads(self._sealer.open(sealed, student_key.encode()))
        given, family = fields["given_name"], fields["family_name"]
        called = fields["preferred_given_name"] or given
        display = f"{called} {fields['preferred_family_name'] or family}".strip()
        return PersonName(given=given, family=family, display=display, sourced_id=fields["sourced_id"])

    def count(self) -> int:
        """People in the vault."""
        with self._store.connect() as connection:
            return int(connection.execute("SELECT count(*) FROM person").fetchone()[0])


def _record(person: Any) -> dict[str, Any]:
    """A person as a mapping with every kept field, from an object or a mapping."""
    given = person if isinstance(person, Mapping) else {name: getattr(person, name, "") for name in KEPT_FIELDS}
    record: dict[str, Any] = {name: str(given.get(name) or "") for name in KEPT_FIELDS}
    if not record["sourced_id"]:
        raise CairnError("a person without sourced_id cannot be registered: give every person one")
    extra = person.get("identifiers", ()) if isinstance(person, Mapping) else getattr(person, "identifiers", ())
    record["identifiers"] = [(str(kind), str(value)) for kind, value in extra if value]
    return record


def _note(
    connection: sqlite3.Connection, at: datetime, by: str, decision: str, student: str, other: str, reason: str
) -> None:
    """Write down who decided what, within the transaction that does it."""
    connection.execute(
        "INSERT INTO decision (decided_at, decided_by, decision, student_key, other_key, reason) VALUES (?,?,?,?,?,?)",
        (iso(at), by, decision, student, other, reason),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
