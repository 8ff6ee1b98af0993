"""What somebody who signed in by the identity provider may open: by a group of the provider, else by the roster.

Nobody has a role by default. On what a role rests is kept with the account and looked at again while a session lasts,
so that a line taken from ``access.yaml``, or a person who has left the roster, opens nothing from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.access_rules import AccessRules, PersonClaim
from cairn.settings import Settings
from identity.vault import Vault

GROUP, PERSON = "group:", "person:"


@dataclass(frozen=True)
class Claimed:
    """A role and what it rests on: ``group:NAME`` of access.yaml, or ``person:KEY`` of the roster."""

    role: str
    basis: str
    school_id: str | None = None
    teacher_key: str | None = None


def role_of(settings: Settings, rules: AccessRules, claims: Mapping[str, Any]) -> Claimed | None:
    """The role that an ID token's claims give, or None. Raises CairnError where the vault cannot be read."""
    listed = claims.get(rules.groups_claim)
    groups = {listed} if isinstance(listed, str) else set(map(str, listed)) if isinstance(listed, list) else set()
    for one in rules.groups:
        if one.group in groups:
            return Claimed(one.role, f"{GROUP}{one.group}", school_id=one.school_id)
    vault = Vault(settings)
    for person in rules.people:
        value = _value(person, claims)
        key = vault.resolve(person.kind, [value]).get(value) if value else None
        found = _by_roster(settings, rules, key) if key else None
        if found:
            return found
    return None


def still(settings: Settings, rules: AccessRules, basis: str) -> Claimed | None:
    """The role that a basis gives now, or None. A provider's groups are known anew at the next sign-in only."""
    if basis.startswith(PERSON):
        return _by_roster(settings, rules, basis.removeprefix(PERSON))
    named = basis.removeprefix(GROUP)
    fits = (Claimed(one.role, basis, school_id=one.school_id) for one in rules.groups if one.group == named)
    return next(fits, None)


def _value(person: PersonClaim, claims: Mapping[str, Any]) -> str | None:
    """The identifier in a claim; None where it is none, or where the provider does not say that it was verified."""
    value = claims.get(person.claim)
    # Providers write the truth of a claim as a boolean, some as a word.
    if person.verified and claims.get(person.verified) not in (True, "true"):
        return None
    return value if isinstance(value, str) and value else None


def _by_roster(settings: Settings, rules: AccessRules, key: str) -> Claimed | None:
    """What the person's role in the roster of now opens, or None: pupils, and whoever has left."""
    among = pc.field("recorded_to").is_null() & (pc.field("student_key") == key)
    columns = ["role", "school_id", "is_enabled", "status"]
    for row in lake.read(settings, "silver.person", columns, among).to_pylist():
        role = rules.roster_roles.get(row["role"])
        if role is None or not row["is_enabled"] or row["status"] != "active":
            continue
        if role == "teacher":
            return Claimed(role, f"{PERSON}{key}", teacher_key=key)
        if row["school_id"]:
            return Claimed(role, f"{PERSON}{key}", school_id=row["school_id"])
    return None
