"""What the lake knows that a OneRoster package may lean on: schools, terms, classes, and who is on the roster."""

from __future__ import annotations

from datetime import date

import lake
from cairn.rostering.oneroster_known import Known
from cairn.rostering.oneroster_model import Roster
from cairn.settings import Settings
from identity.crosswalk import SOURCED_ID
from identity.vault import Vault
from loading.history import CURRENT
from loading.sections import PERSON


def known_now(settings: Settings, on_date: date) -> Known:
    """Schools, terms and classes as they are known now; ``on_date`` is the local day of the load."""
    orgs = lake.read(settings, "silver.org", ["org_id", "org_type"], CURRENT).to_pylist()
    days = ["session_id", "valid_from_date", "valid_to_date"]
    sessions = lake.read(settings, "silver.academic_session", days, CURRENT).to_pylist()
    columns = ["class_id", "school_id", "session_ids"]
    classes = lake.read(settings, "silver.class_section", columns, CURRENT).to_pylist()
    return Known(on_date=on_date).with_orgs(orgs).with_sessions(sessions).with_classes(classes)


def living_beside(settings: Settings, vault: Vault, roster: Roster) -> set[str]:
    """Keys of the people who stay on the roster without being in the package's good rows: their claims count."""
    current = set(lake.read(settings, PERSON, ["student_key"], CURRENT)["student_key"].to_pylist())
    section = roster.sections[PERSON]
    if not section.is_present:
        return current
    if section.ends_unnamed:
        return set(vault.resolve(SOURCED_ID, section.kept_ids).values())
    ended = set(section.ended_ids) - vault.merged_away(section.ended_ids)
    return current - set(vault.resolve(SOURCED_ID, ended).values())
