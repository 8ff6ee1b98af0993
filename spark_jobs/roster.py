"""The roster into history: organisations, sessions, courses, classes, people, enrolments, demographics, links.

Rows come keyed: no name, mail or sourcedId of a person reaches this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from cairn.settings import Settings
from spark_jobs.history import Change, Snapshot, apply_all

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LINKS = "silver.identity_link"
ENROLLMENT = "silver.enrollment"


@dataclass(frozen=True)
class KeyedSection:
    """One table's part of a package, keyed; see ``cairn.rostering.oneroster_model.Section``."""

    table: str
    rows: Sequence[Mapping[str, Any]]
    is_bulk: bool
    ended_ids: Sequence[str] = ()
    kept_ids: Sequence[str] = ()


def load_sections(
    spark: SparkSession | None,
    settings: Settings,
    sections: Sequence[KeyedSection],
    links: Sequence[Mapping[str, Any]],
    ended_date: date,
    recorded_at: datetime | None = None,
) -> dict[str, Change]:
    """Write the sections and the links of their people; table -> what changed.

    ``ended_date``: local day of the load. An enrolment that the roster no longer names is true until that day (or
    its own earlier end): what a pupil did in a class stays that class's. Links are never ended by absence.
    """
    snapshots = [
        Snapshot(
            table=section.table,
            rows=section.rows,
            is_bulk=section.is_bulk,
            ended_ids=section.ended_ids,
            kept_ids=section.kept_ids,
            ends_on=ended_date if section.table == ENROLLMENT else None,
        )
        for section in sections
    ]
    snapshots.append(Snapshot(table=LINKS, rows=links))
    return apply_all(spark, settings, snapshots, recorded_at)
