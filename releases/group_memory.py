"""What groups a release has shown, kept in the lake for the next night: groups go on from there (cairn/grouping.py)."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.contracts import load_contract
from cairn.settings import Settings
from releases import store

TABLE = "gold.group_member"


def remember(settings: Settings, release: store.Release) -> int:
    """Write the members of the release's groups under its date, in place of what was there; returns how many.

    They are read from the very file that is published, so a school that a gate holds back goes on from the groups that
    its page shows. May be called again. Rows older than the contract keeps are deleted.
    """
    with store.connect(settings, release) as connection:
        if not connection.execute("select 1 from duckdb_tables() where table_name = 'mart_group_member'").fetchall():
            return 0  # a release from before groups had a memory
        members = connection.sql(
            "select group_id, student_key, school_id, competency_id, group_since_date, joined_date"
            " from mart_group_member where is_member order by all"
        ).to_arrow_table()
    rows = members.append_column("data_date", pa.repeat(pa.scalar(release.data_date), members.num_rows))
    rows = rows.append_column("release_id", pa.repeat(release.release_id, members.num_rows))
    lake.replace_partitions(settings, TABLE, rows, [("data_date", "=", release.data_date)])
    days = load_contract(TABLE).retention_days
    if days is not None:
        lake.delete_rows(settings, TABLE, pc.field("data_date") < pa.scalar(release.data_date - timedelta(days=days)))
    return int(members.num_rows)
