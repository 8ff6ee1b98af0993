"""The books: per receipt date, source and school, what was received and what became of it.

Received is counted by receipts, written by the gateway before any judgement; the fates are counted by rows of the
lake, duplicates (which leave no row in silver) by intake's own count, rows of people who were erased since by the
erasure's. What is left over is unexplained: above zero something received is nowhere, below zero something is there
that nobody receipted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

import lake
from cairn.contracts import load_contract
from cairn.settings import Settings

FATES = ("accepted", "duplicate", "conflict", "rejected", "quarantined")
COUNTS = ("received", *FATES, "unexplained")
# Nothing is taken in before it is received, but for clocks and zones that differ by less than this.
CLOCK_MARGIN = timedelta(days=1)

# What is counted, line by line: receipts, what intake counted itself, rows, and rows that were erased since. Only whole
# batches count (ops.intake_batch): one that is being written would look like a hole.
LINES = """
with lines as (
    select received_date, source_id, org_id, 'received' as side, '' as fate, sum(statements_received) as n
    from receipts semi join whole using (intake_app_id, batch_id) group by all
    union all
    select received_date, source_id, org_id, 'counted', fate, sum(records)
    from counted semi join whole using (intake_app_id, batch_id) group by all
    union all
    select received_date, source_id, coalesce(nullif(org_id, ''), 'unknown'), 'rows', 'accepted', count(*)
    from activity semi join whole using (intake_app_id, batch_id) group by all
    union all
    select received_date, source_id, org_id, 'rows', fate, count(*)
    from quarantine semi join whole using (intake_app_id, batch_id) group by all
    union all
    select received_date, source_id, org_id, 'rows', 'rejected', count(*)
    from rejected semi join whole using (intake_app_id, batch_id) group by all
    union all
    select received_date, source_id, org_id, 'rows', fate, sum(records)
    from erased semi join whole using (intake_app_id, batch_id) where fate <> 'none' group by all
)
"""
# Of what intake counted itself only duplicates: they leave no row.
_QUERY = f"""
{LINES}
select
    received_date, source_id, org_id,
    coalesce(sum(n) filter (side = 'received'), 0)::bigint as received,
    coalesce(sum(n) filter (fate = 'accepted'), 0)::bigint as accepted,
    coalesce(sum(n) filter (fate = 'duplicate'), 0)::bigint as duplicate,
    coalesce(sum(n) filter (fate = 'conflict'), 0)::bigint as conflict,
    coalesce(sum(n) filter (fate = 'rejected'), 0)::bigint as rejected,
    coalesce(sum(n) filter (fate = 'quarantined'), 0)::bigint as quarantined
from lines where side <> 'counted' or fate = 'duplicate'
group by all order by all
"""


def ledger(
    settings: Settings,
    date: date | None = None,
    dates: Iterable[date] | None = None,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """Rows ``received_date, source_id, org_id`` and the counts of :data:`COUNTS`, of one receipt date, some, or all.

    ``until``: only of batches that were written by then.
    """
    wanted = [date] if date is not None else list(dates) if dates is not None else None
    if wanted == []:
        return []
    connection = duckdb.connect()
    try:
        connection.execute("set memory_limit = '512MB'; set threads = 2")
        connection.register("whole", whole_batches(settings, wanted, until))
        register_lines(settings, connection, wanted)
        rows: list[dict[str, Any]] = connection.sql(_QUERY).to_arrow_table().to_pylist()
    finally:
        connection.close()
    for row in rows:
        row["unexplained"] = row["received"] - sum(row[fate] for fate in FATES)
    return rows


def register_lines(settings: Settings, connection: duckdb.DuckDBPyConnection, wanted: list[date] | None) -> None:
    """The tables that :data:`LINES` reads, but for ``whole``, as streams: one statement can read them."""
    scope = ["received_date", "source_id", "org_id", "intake_app_id", "batch_id"]
    for alias, name, extra in (
        ("receipts", "bronze.receipts", ["statements_received"]),
        ("activity", "silver.learner_activity", []),
        ("quarantine", "silver.activity_quarantine", ["fate"]),
        ("rejected", "bronze.rejected", []),
        ("counted", "ops.intake_ledger", ["fate", "records"]),
        ("erased", "ops.erasure", ["fate", "records"]),
    ):
        connection.register(alias, scanner(settings, name, [*scope, *extra], wanted))


def whole_batches(settings: Settings, wanted: list[date] | None, until: datetime | None = None) -> pa.Table:
    """The batches that may hold what was received on the days wanted: nothing is taken in before it is received."""
    name, identity = "ops.intake_batch", ["intake_app_id", "batch_id"]
    by_then = None if until is None else pc.field("written_at") <= until
    if wanted is None or not lake.exists(settings, name):
        return lake.read(settings, name, identity, by_then, lake.EVERY)
    first = min(wanted) - CLOCK_MARGIN
    days = lake.partition_values(settings, name, "written_date")
    newer = [day for day in days if not isinstance(day, date) or day >= first]
    return lake.read(settings, name, identity, by_then, {"written_date": newer})


def scanner(settings: Settings, name: str, columns: list[str], wanted: list[date] | None) -> ds.Scanner:
    """A table's columns as a stream, of the receipt dates wanted: never more than a few batches are in memory."""
    only = None if wanted is None else pc.field("received_date").isin(wanted)
    files = [file for file in lake.table_files(settings, name) if wanted is None or _may_hold(name, file, wanted)]
    return lake.dataset_of(settings, name, files).scanner(columns=columns, filter=only, batch_readahead=4)


def _may_hold(name: str, file: lake.File, wanted: list[date]) -> bool:
    """Whether a file may hold rows received on one of the days, by the day that it is partitioned by."""
    if "received_date" in load_contract(name).partitions:
        return file.partitions["received_date"] in {day.isoformat() for day in wanted}
    taken_in = file.partitions.get("ingest_date")
    return taken_in is None or taken_in >= (min(wanted) - CLOCK_MARGIN).isoformat()


def totals(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The counts summed over rows of the ledger."""
    kept = list(rows)
    return {name: sum(int(row[name]) for row in kept) for name in COUNTS}
