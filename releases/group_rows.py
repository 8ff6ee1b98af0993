"""Groups as Arrow tables: what dbt's model int_group_member hands to :mod:`cairn.grouping`, and what it gets back."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from cairn.group_members import Lock, Need, Standing
from cairn.group_rules import load_group_rules
from cairn.grouping import assign
from cairn.settings import settings

GROUPED = pa.schema(
    [
        ("group_id", pa.string()),
        ("group_since_date", pa.date32()),
        ("student_key", pa.string()),
        ("school_id", pa.string()),
        ("class_id", pa.string()),
        ("competency_id", pa.string()),
        ("joined_date", pa.date32()),
        ("is_member", pa.bool_()),
        ("is_new", pa.bool_()),
        ("is_locked", pa.bool_()),
        ("left_reason", pa.string()),
    ]
)


def grouped(needs: pa.Table, standing: pa.Table, locks: pa.Table, release: pa.Table) -> pa.Table:
    """Tonight's members and who has left, as ``GROUPED`` has it; the arguments are dbt's tables of those names."""
    members, left = assign(
        [
            Need(
                student_key=row["student_key"],
                school_id=row["school_id"],
                class_id=row["class_id"],
                competency_id=row["competency_id"],
                is_stuck=row["is_stuck"],
                share=row["expected_share"],
            )
            for row in needs.to_pylist()
        ],
        [Standing(**row) for row in standing.to_pylist()],
        [Lock(**row) for row in locks.to_pylist()],
        load_group_rules(settings()),
        release["data_date"][0].as_py(),
    )
    rows: list[dict[str, Any]] = [{**vars(one), "is_member": True} for one in members]
    rows += [
        {
            "group_id": one.group_id,
            "student_key": one.student_key,
            "school_id": one.school_id,
            "competency_id": one.competency_id,
            "is_member": False,
            "is_new": False,
            "is_locked": False,
            "left_reason": one.reason,
        }
        for one in left
    ]
    return pa.Table.from_pylist(rows, schema=GROUPED)
