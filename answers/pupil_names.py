"""The edge where keys become names: every call is one row in the log of disclosures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from cairn.settings import Settings
from identity.vault import Vault


class Names:
    """Names by key for one page or file; a key that the vault does not know prints as its last six characters."""

    def __init__(self, known: Mapping[str, str], sourced: Mapping[str, str] | None = None) -> None:
        self._known = dict(known)
        self._sourced = dict(sourced or {})

    def __call__(self, key: str | None) -> str:
        """The name to print."""
        if not key:
            return "–"
        return self._known.get(key) or f"Pupil …{key[-6:]}"

    def sourced_id(self, key: str) -> str | None:
        """The person's sourcedId in the district's roster; None for a key that the vault does not know."""
        return self._sourced.get(key)

    def __len__(self) -> int:
        return len(self._known)


def look_up(
    settings: Settings,
    keys: Iterable[str],
    *,
    actor: str,
    purpose: str,
    kind: Literal["page", "feed", "command"],
    school_id: str | None,
    release_id: str | None,
    role: str | None = None,
    route: str | None = None,
) -> Names:
    """Names of pupils (and teachers) for one page or file; the vault logs who asked, why and for whom."""
    wanted = sorted(set(keys))
    if not wanted:
        return Names({})
    people = Vault(settings).names(
        wanted,
        actor=actor,
        purpose=purpose,
        kind=kind,
        school_id=school_id,
        release_id=release_id,
        role=role,
        route=route,
    )
    return Names(
        {key: person.display for key, person in people.items()},
        {key: person.sourced_id for key, person in people.items()},
    )
