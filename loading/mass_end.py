"""The guard against an export that broke off: a whole file that would end most of what is known."""

from __future__ import annotations

import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.rostering.oneroster_model import Roster
from cairn.settings import Settings
from loading.history import CURRENT

# A bulk file that names less than this share of the current rows looks like an export that broke off.
MASS_END_SHARE = 0.5
# Of fewer rows half is quickly gone in earnest; a file without any row is never a whole export.
MASS_END_FROM_ROWS = 10


def refuse_mass_end(settings: Settings, roster: Roster) -> None:
    """Raise CairnError where a bulk file names less than half of what the lake knows, or nothing at all.

    Refused rows are there all the same: those that name something count as named, and where some could not be read
    nothing ends by not being named.
    """
    for table, section in roster.sections.items():
        if not (section.is_present and section.ends_unnamed):
            continue
        known = lake.read(settings, table, ["recorded_to"], CURRENT).num_rows
        named = len(section.rows) + len(section.kept_ids)
        if _broke_off(named, known):
            raise CairnError(
                f"the package is bulk and names {named:,} of {known:,} rows of {table}: if the export is whole (a new "
                "school year), load it with --allow-mass-end; nothing was loaded"
            )


def refuse_mass_end_of_framework(settings: Settings, framework_id: str, named: int) -> None:
    """Raise CairnError where a framework names less than half of the competencies that it had, or none of them."""
    among = CURRENT & (pc.field("framework_id") == framework_id)
    known = lake.read(settings, "silver.competency", ["recorded_to"], among).num_rows
    if _broke_off(named, known):
        raise CairnError(
            f"the package names {named:,} of {known:,} competencies that its framework had: if it is whole, load it "
            "with --allow-mass-end; nothing was loaded"
        )


def _broke_off(named: int, known: int) -> bool:
    return named < known * MASS_END_SHARE and (known >= MASS_END_FROM_ROWS or not named)
