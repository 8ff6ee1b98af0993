"""The district's ``access.yaml``: roles of those who sign in by its identity provider, and reasons to see names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cairn.district import district_path, load_yaml_mapping
from cairn.mastery.schema_check import check
from cairn.settings import Settings

FILE_NAME = "access.yaml"


@dataclass(frozen=True)
class GroupRole:
    """What a group of the provider opens; ``school_id`` for school leaders."""

    group: str
    role: str
    school_id: str | None


@dataclass(frozen=True)
class PersonClaim:
    """A claim that means a person of the roster, and the claim that must be true beside it, if one."""

    claim: str
    kind: str
    verified: str | None


@dataclass(frozen=True)
class AccessRules:
    """The file; ``roster_roles`` from roles of the roster, ``reasons`` from code to words."""

    ask: str
    groups_claim: str
    groups: tuple[GroupRole, ...]
    people: tuple[PersonClaim, ...]
    roster_roles: Mapping[str, str]
    reasons: Mapping[str, str]


def load_access_rules(settings: Settings) -> AccessRules:
    """The district's rules. Raises CairnError naming the file and the key that is wrong."""
    path = district_path(settings, FILE_NAME)
    raw = load_yaml_mapping(path)
    check(raw, "access", str(path))
    return AccessRules(
        ask=raw["ask"],
        groups_claim=raw["groups_claim"],
        groups=tuple(GroupRole(one["group"], one["role"], one.get("school")) for one in raw["groups"]),
        people=tuple(PersonClaim(one["claim"], one["kind"], one.get("verified")) for one in raw["people"]),
        roster_roles=raw["roster_roles"],
        reasons=raw["reasons"],
    )
