"""The nights of mastery as they are on record: one row of ops.night names every table's version.

A night exists when its row is there. What a night that died had committed before is taken out of the tables when the
next one begins, and readers take the versions that the newest row names.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

import lake
from cairn.errors import CairnError
from cairn.settings import Settings

NIGHT = "ops.night"
EVIDENCE, WAITING, VOID = "silver.evidence", "silver.evidence_waiting", "silver.activity_void"
STATE, DAY, DECISION = "gold.mastery_state", "gold.attempt_day", "gold.mastery_decision"
# What a night writes, and what it reads and must know again: by version it tells what is new.
WRITTEN = (EVIDENCE, WAITING, VOID, DAY, STATE, DECISION)
READ = ("silver.learner_activity", "silver.identity_link", "silver.item_alignment", "silver.competency")
# Columns of ops.night that hold JSON.
TEXTS = ("versions", "model_versions", "evidence_counts", "fit_tried", "unfinished_buckets", "policies")
PUPILS_PER_BUCKET = 1_500
MOST_BUCKETS = 512


@dataclass(frozen=True)
class NightRecord:
    """One row of ops.night; see the contract."""

    night: int
    kind: str
    data_date: date
    as_of: datetime
    versions: dict[str, int]
    policy_version: str
    model_versions: dict[str, str]
    pupil_buckets: int
    pairs: int = 0
    attempts: int = 0
    decisions: int = 0
    evidence_counts: dict[str, int] = field(default_factory=dict)
    fit_tried: dict[str, int] = field(default_factory=dict)
    unfinished_buckets: list[int] = field(default_factory=list)
    refit_date: date | None = None
    refit_evidence: int | None = None
    policies: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The row, committed now."""
        plain = {name: value for name, value in vars(self).items() if name not in TEXTS}
        coded = {name: json.dumps(getattr(self, name), sort_keys=True) for name in TEXTS}
        return {**plain, **coded, "committed_at": datetime.now(UTC)}


def newest(settings: Settings) -> NightRecord | None:
    """The newest night on record; None before the first."""
    if not lake.exists(settings, NIGHT):
        return None
    numbers = lake.read(settings, NIGHT, ["night"])["night"].to_pylist()
    return numbered(settings, max(numbers)) if numbers else None


def numbered(settings: Settings, night: int) -> NightRecord | None:
    """The row of ops.night with a number; None where there is none."""
    rows = lake.read(settings, NIGHT, filters=pa.compute.field("night") == night).to_pylist()
    if not rows:
        return None
    [row] = rows
    # Nights from before there were several policies name none.
    row["policies"] = row["policies"] or "{}"
    values = {name: json.loads(row[name]) if name in TEXTS else row[name] for name in NightRecord.__annotations__}
    return NightRecord(**values)


def record(settings: Settings, night: NightRecord) -> None:
    """Put the night on record; from now on it exists. Raises CairnError where another night got there first."""
    if not lake.append_rows(settings, NIGHT, [night.row()], ("night", night.night)):
        raise CairnError(f"night {night.night} was recorded by another process meanwhile: run 'cairn night status'")


def roll_back(settings: Settings, night: NightRecord | None) -> None:
    """Take out of the night's tables what was committed after the newest night on record."""
    for name in WRITTEN:
        if lake.exists(settings, name):
            # Version 0 is the empty table, as it was made.
            lake.restore(settings, name, night.versions[name] if night else 0)


def present_versions(settings: Settings) -> dict[str, int]:
    """The versions at which the tables stand now; tables that nobody wrote yet are made."""
    for name in (*WRITTEN, *READ):
        lake.create(settings, name)
    return {name: lake.current_version(settings, name) for name in (*WRITTEN, *READ)}


def pupil_buckets(settings: Settings, night: NightRecord | None) -> int:
    """How many buckets: as the tables were made, else by setting, else by the roster: 1,500 pupils a bucket.

    Always a power of two, from 2 up: the nearest. Changing it for tables that exist is a migration.
    """
    if night is not None:
        return night.pupil_buckets
    wanted = float(settings.pupil_buckets)
    if not wanted:
        wanted = lake.count_rows(settings, "silver.identity_link") / PUPILS_PER_BUCKET
    return int(2 ** round(math.log2(min(max(wanted, 2), MOST_BUCKETS))))
