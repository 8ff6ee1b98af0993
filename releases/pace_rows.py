"""Pace as Arrow tables: what dbt's model int_class_pace hands to :mod:`cairn.pace`, and what it gets back."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import pyarrow as pa

from cairn.calendar import DistrictCalendar
from cairn.pace import pace
from cairn.settings import settings

PACED = pa.schema(
    [
        ("class_id", pa.string()),
        ("subject", pa.string()),
        ("mastered_share", pa.float64()),
        ("needed_share", pa.float64()),
        ("needed_by_term_end_share", pa.float64()),
        ("needed_a_week", pa.float64()),
        ("term_title", pa.string()),
        ("term_end_date", pa.date32()),
        ("weeks", pa.int32()),
        ("a_week", pa.float64()),
        ("outlook", pa.string()),
        ("projected_date", pa.date32()),
        ("earliest_date", pa.date32()),
        ("latest_date", pa.date32()),
    ]
)


def paced(progress: pa.Table, changes: pa.Table, release: pa.Table) -> pa.Table:
    """A row a class and subject, as ``PACED`` has it; the arguments are dbt's int_class_progress, int_class_change and
    stg_release.
    """
    own = settings()
    calendar = DistrictCalendar.load(own)
    by_day: dict[tuple[str, str], dict[date, int]] = defaultdict(dict)
    for row in changes.to_pylist():
        by_day[(row["class_id"], row["subject"])][row["work_date"]] = row["net_pairs"]
    today = release["data_date"][0].as_py()
    rows = []
    for row in progress.to_pylist():
        key = (row["class_id"], row["subject"])
        told = pace(
            calendar,
            today,
            row["planned_pairs"],
            row["mastered_pairs"],
            row["began_date"],
            by_day[key],
            own.pace_target_share,
        )
        rows.append({"class_id": key[0], "subject": key[1], **vars(told)})
    return pa.Table.from_pylist(rows, schema=PACED)
