"""People who come without a roster file, and links between identifiers outside and a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.settings import Settings
from identity import erasures
from identity.vault import Vault
from loading.sections import PERSON, KeyedSection, load_sections


def register_people(
    settings: Settings,
    people: Iterable[Mapping[str, Any]],
    recorded_at: datetime | None = None,
) -> dict[str, str]:
    """Take in people who come without a roster file (a replayed table of responses): vault, person rows and links.

    ``people``: mappings with ``sourced_id``, and any of the vault's fields, ``identifiers`` ((kind, value) pairs),
    ``school_id``, ``role`` and ``grade``. Returns sourcedId -> student_key.
    """
    given = list(people)
    instant = recorded_at or datetime.now(UTC)
    vault = Vault(settings)
    taken = vault.take_in(given, at=instant)
    keys = taken.keys
    rows = [
        {
            "student_key": keys[str(person["sourced_id"])],
            "role": person.get("role", "student"),
            "school_id": person.get("school_id"),
            "grade": person.get("grade"),
            "is_enabled": True,
            "status": "active",
        }
        for person in given
    ]
    links = [link.as_row() for link in taken.links]
    sections = [KeyedSection(PERSON, rows, is_bulk=False)]
    today = DistrictCalendar.load(settings).local_date(instant)
    load_sections(settings, sections, links, today, recorded_at=instant)
    return keys


def one_student(vault: Vault, given: str) -> str:
    """The student key that ``given`` (a key or an identifier) means.

    Raises CairnError where it is none or several, and where the key is of somebody who was erased.
    """
    found = vault.find(given)
    if not found and (receipt := erasures.of_student(vault.settings, given)) is not None:
        raise CairnError(
            f"that person was erased on {receipt.erased_at:%Y-%m-%d} (receipt {receipt.erasure_id}): nothing is kept, "
            "and answers as of earlier days are without that person"
        )
    if len(found) != 1:
        what = "nobody" if not found else f"{len(found)} people"
        raise CairnError(f"that key or identifier means {what} in the vault: give the student key (p_...)")
    return found[0]
