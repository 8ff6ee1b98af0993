"""Loading a OneRoster package: people into the vault, then everything, keyed, into history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cairn.calendar import DistrictCalendar
from cairn.district import load_district_yaml
from cairn.rostering.oneroster import read_roster
from cairn.settings import Settings
from identity.crosswalk import IDENTITY_FILE
from identity.vault import Vault
from loading.class_schools import follow_classes
from loading.delta_people import fill_from_known
from loading.mass_end import refuse_mass_end
from loading.problems import shown
from loading.roster_known import known_now, living_beside
from loading.roster_notes import enrolled_in_the_past, nothing_ended, of_shared
from loading.sections import LINKS, keyed_sections, load_sections
from loading.snapshot import Change


def load_roster(
    settings: Settings,
    path: Path | str,
    recorded_at: datetime | None = None,
    *,
    allow_mass_end: bool = False,
) -> dict[str, Any]:
    """Load a OneRoster package: people into the vault, the rest into history tables.

    A bulk package that would end most of what is known is refused, as an export that broke off looks like that;
    ``allow_mass_end`` takes it (a new school year). Nothing is written before that check.

    Returns files, rows, added, changed, ended, rejected; with left_out (rows of roles that are not loaded), tables
    (what changed in each), shared_identifiers (those that two living people claim), unknown_columns, problems and
    warnings.
    """
    instant = recorded_at or datetime.now(UTC)
    today = DistrictCalendar.load(settings).local_date(instant)
    roster = read_roster(Path(path), load_district_yaml(settings, IDENTITY_FILE), known_now(settings, today))
    if not allow_mass_end:
        refuse_mass_end(settings, roster)
    vault = Vault(settings)
    fill_from_known(settings, vault, roster)
    people = (person for person in roster.people if not person.is_left_out)
    taken = vault.take_in(people, at=instant, living=living_beside(settings, vault, roster))
    sections = follow_classes(settings, roster, keyed_sections(vault, roster, taken.keys))
    links = [link.as_row() for link in taken.links]
    changes = load_sections(settings, sections, links, today, recorded_at=instant)
    total = sum((change for table, change in changes.items() if table != LINKS), Change())
    shared = vault.shared()
    roster.problems[:0] = [
        *nothing_ended(roster),
        *enrolled_in_the_past(roster, today),
        *of_shared(roster, taken.keys, shared),
    ]
    return {
        "files": roster.files,
        "rows": roster.row_count,
        "added": total.added,
        "changed": total.changed,
        "ended": total.ended,
        "rejected": roster.rejected,
        "left_out": roster.left_out,
        "tables": {
            table: {"added": change.added, "changed": change.changed, "ended": change.ended}
            for table, change in sorted(changes.items())
        },
        "shared_identifiers": len(shared),
        "unknown_columns": roster.unknown_columns,
        **shown(roster.problems),
    }
