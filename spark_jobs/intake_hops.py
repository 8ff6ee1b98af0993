"""Where the books break: which hop between the sender's request and silver lost something, of whom, when, how much.

The ledger (``intake_ledger``) says that something is unexplained; this says where it went. Each hop is counted on both
of its sides, by different witnesses: receipts by the gateway, what the topic held by intake's own count when it read
it (``ops.intake_ledger``), bronze and silver by their rows. A batch of which a part is in the lake and whose own row
is not is torn: the ledger does not see it at all, so it is looked for here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.settings import Settings
from cairn.topics import ACTIVITY
from spark_jobs import intake_ledger

GATEWAY_TO_TOPIC = "gateway to topic"
TOPIC_TO_BRONZE = "topic to bronze"
BRONZE_TO_SILVER = "bronze to silver"
SILVER_TO_MART = "silver to mart"
MART_TO_PAGE = "mart to page"
TORN_BATCH = "torn batch"
# What has been written so lately may be part of a batch that is not whole yet.
STILL_WRITTEN = timedelta(seconds=20)
UNKNOWN = "unknown"
_IDENTITY = ["intake_app_id", "batch_id"]
_SCOPE = ["received_date", "source_id", "org_id"]


# Receipt date (None where it cannot be told), source, school.
Scope = tuple[date | None, str, str]


@dataclass(frozen=True)
class Break:
    """A hop whose two sides differ for one receipt date, source and school.

    ``statements``: how many are missing behind the hop; below 0, how many are there that did not come over it.
    ``received_date`` is None where it cannot be told any more.
    """

    hop: str
    received_date: date | None
    source_id: str
    org_id: str
    statements: int
    detail: str

    def line(self) -> str:
        """One line that names hop, day, source, school and count."""
        said = "missing" if self.statements > 0 else "too many"
        of = f"{self.received_date or 'day unknown'} {self.source_id} {self.org_id}"
        return f"{self.hop}: {of}: {abs(self.statements)} {said}: {self.detail}"

    def row(self) -> dict[str, Any]:
        """Form in JSON and on pages."""
        return asdict(self)


# Per receipt date, source and school: receipts, what intake counted, rows, and rows that were erased, each by fate.
_SIDES = f"""
{intake_ledger.LINES}
select received_date, source_id, org_id, side, fate, sum(n)::bigint as n from lines group by all order by all
"""
# Batches of which bronze holds other records than those that were judged: a count a batch, before rows are compared.
_BRONZE_BATCHES = """
with judged as (
    select intake_app_id, batch_id, count(*) as n
    from activity semi join whole using (intake_app_id, batch_id) group by all
    union all
    select intake_app_id, batch_id, count(*) from quarantine semi join whole using (intake_app_id, batch_id)
    where kafka_topic = $topic group by all
    union all
    select intake_app_id, batch_id, sum(records) from counted semi join whole using (intake_app_id, batch_id)
    where fate = 'duplicate' group by all
),
kept as (select intake_app_id, batch_id, count(*) as n from bronze group by all)
select intake_app_id, batch_id, sum(judged.n)::bigint as judged, coalesce(any_value(kept.n), 0) as kept
from judged left join kept using (intake_app_id, batch_id)
group by all having judged > kept
"""
_BRONZE_ROWS = """
with judged as (
    select received_date, source_id, coalesce(nullif(org_id, ''), 'unknown') as org_id, kafka_partition, kafka_offset
    from activity semi join short using (intake_app_id, batch_id)
    union all
    select received_date, source_id, org_id, kafka_partition, kafka_offset
    from quarantine semi join short using (intake_app_id, batch_id) where kafka_topic = $topic
)
select received_date, source_id, org_id, count(*) as n
from judged anti join bronze using (kafka_partition, kafka_offset)
group by all order by all
"""
_TORN = """
select distinct intake_app_id, batch_id from (
    select intake_app_id, batch_id from receipts union select intake_app_id, batch_id from activity
    union select intake_app_id, batch_id from quarantine union select intake_app_id, batch_id from rejected
    union select intake_app_id, batch_id from bronze union select intake_app_id, batch_id from counted
) anti join whole using (intake_app_id, batch_id) order by all
"""
_PLACE = ["kafka_partition", "kafka_offset"]
# What a batch writes, under the names of the statements above.
_TABLES = {
    "receipts": "bronze.receipts",
    "activity": "silver.learner_activity",
    "quarantine": "silver.activity_quarantine",
    "rejected": "bronze.rejected",
    "counted": "ops.intake_ledger",
    "bronze": "bronze.activity",
}
Columns = Mapping[str, list[str]]
_OF_BATCHES: Columns = {
    "activity": _IDENTITY,
    "quarantine": [*_IDENTITY, "kafka_topic"],
    "counted": [*_IDENTITY, "fate", "records"],
    "bronze": _IDENTITY,
}
_OF_ROWS: Columns = {
    "activity": [*_SCOPE, *_IDENTITY, *_PLACE],
    "quarantine": [*_SCOPE, *_IDENTITY, *_PLACE, "kafka_topic"],
    "bronze": _PLACE,
}


def breaks(settings: Settings, dates: Iterable[date] | None = None, now: datetime | None = None) -> list[Break]:
    """Every hop within the lake that does not balance, of some receipt dates or of all; empty where all is well.

    A batch that may still be written is left out: look again after :data:`STILL_WRITTEN`.
    """
    wanted = None if dates is None else list(dates)
    connection = duckdb.connect()
    try:
        connection.execute("set memory_limit = '512MB'; set threads = 2")
        found: list[Break] = []
        if wanted != []:  # of no day nothing is compared; a batch may be torn all the same
            connection.register("whole", intake_ledger.whole_batches(settings, wanted))
            found += _over_topic_and_silver(settings, connection, wanted)
            found += _over_bronze(settings, connection, wanted)
        return found + _torn(settings, connection, now or datetime.now(UTC))
    finally:
        connection.close()


def _register(
    settings: Settings, connection: duckdb.DuckDBPyConnection, wanted: list[date] | None, columns: Columns
) -> None:
    """Tables as streams, each with the columns that a statement needs; one statement can read them."""
    for alias, names in columns.items():
        connection.register(alias, intake_ledger.scanner(settings, _TABLES[alias], names, wanted))


def _over_topic_and_silver(
    settings: Settings, connection: duckdb.DuckDBPyConnection, wanted: list[date] | None
) -> list[Break]:
    intake_ledger.register_lines(settings, connection, wanted)
    scopes: dict[Scope, dict[tuple[str, str], int]] = {}
    for day, source, school, side, fate, n in connection.execute(_SIDES).fetchall():
        scopes.setdefault((day, source, school), {})[side, fate] = int(n)
    found = []
    for scope, sides in scopes.items():
        taken = 0
        for fate in intake_ledger.FATES:
            counted, rows = sides.get(("counted", fate), 0), sides.get(("rows", fate), 0)
            # A batch of before counts were kept has rows only. Duplicates leave no row.
            taken += counted or rows
            if counted and fate != "duplicate" and counted != rows:
                detail = f"intake counted {counted} as {fate}, {rows} are in the lake"
                found.append(Break(BRONZE_TO_SILVER, *scope, counted - rows, detail))
        received = sides.get(("received", ""), 0)
        if received != taken:
            detail = f"the gateway receipted {received}, intake found {taken} in the topics"
            found.append(Break(GATEWAY_TO_TOPIC, *scope, received - taken, detail))
    return found


def _over_bronze(settings: Settings, connection: duckdb.DuckDBPyConnection, wanted: list[date] | None) -> list[Break]:
    """Records that were judged and are not kept as they came. A lake without bronze keeps none on purpose."""
    if not lake.exists(settings, "bronze.activity"):
        return []
    _register(settings, connection, wanted, _OF_BATCHES)
    short: pa.Table = connection.sql(_BRONZE_BATCHES, params={"topic": ACTIVITY}).to_arrow_table()
    if short.num_rows == 0:
        return []
    connection.register("short", short)
    _register(settings, connection, wanted, _OF_ROWS)
    rows = connection.execute(_BRONZE_ROWS, {"topic": ACTIVITY}).fetchall()
    detail = "the lake no longer holds the record as it came"
    found = [Break(TOPIC_TO_BRONZE, row[0], row[1], row[2], int(row[3]), detail) for row in rows]
    rest = pc.sum(pc.subtract(short["judged"], short["kept"])).as_py() - sum(one.statements for one in found)
    # Duplicates lie in bronze alone, and those of people who were erased are gone from there on purpose.
    if rest > 0 and not lake.count_rows(settings, "ops.erasure"):
        found.append(
            Break(TOPIC_TO_BRONZE, None, UNKNOWN, UNKNOWN, rest, "records of duplicates are not kept as they came")
        )
    return found


def _torn(settings: Settings, connection: duckdb.DuckDBPyConnection, now: datetime) -> list[Break]:
    # Of all days, so no column more than it takes.
    _register(settings, connection, None, dict.fromkeys(_TABLES, _IDENTITY))
    connection.register("whole", intake_ledger.whole_batches(settings, None))
    torn = {(app_id, batch_id) for app_id, batch_id in connection.execute(_TORN).fetchall()}
    if torn:
        torn -= _still_written(settings, now)
    found = []
    for app_id, batch_id in sorted(torn, key=str):
        is_its = (pc.field("intake_app_id") == app_id) & (pc.field("batch_id") == batch_id)
        counts: dict[Scope, dict[str, int]] = {}
        for alias, name in _TABLES.items():
            for scope, n in _counted(settings, alias, name, is_its):
                sides = counts.setdefault(scope, {})
                sides[alias] = sides.get(alias, 0) + n
        for scope, sides in sorted(counts.items(), key=str):
            there = ", ".join(f"{_TABLES[alias]} {n}" for alias, n in sides.items())
            detail = f"batch {batch_id} of {app_id} is not whole ({there}): start intake, which completes or removes it"
            found.append(Break(TORN_BATCH, *scope, max(sides.values()), detail))
    return found


def _counted(settings: Settings, alias: str, name: str, rows: Any) -> list[tuple[Scope, int]]:
    """Statements of some rows of a table by day, source and school, which a record of bronze says in its text."""
    if alias == "bronze":
        texts = lake.read(settings, name, ["received_date", "record_value"], rows, lake.EVERY).to_pylist()
        return [((row["received_date"], *_told(row["record_value"])), 1) for row in texts]
    number = {"receipts": "statements_received", "counted": "records"}.get(alias)
    table = lake.read(settings, name, [*_SCOPE, *([number] if number else [])], rows, lake.EVERY)
    return [
        ((row["received_date"], row["source_id"] or UNKNOWN, row["org_id"] or UNKNOWN), row[number] if number else 1)
        for row in table.to_pylist()
    ]


def _told(value: str | None) -> tuple[str, str]:
    """Source and school that a record names."""
    try:
        record = orjson.loads(value or "")
        return record["source_id"] or UNKNOWN, record["org_id"] or UNKNOWN
    except (ValueError, KeyError, TypeError):
        return UNKNOWN, UNKNOWN


def _still_written(settings: Settings, now: datetime) -> set[tuple[str, int]]:
    """Batches with rows in files that are so young that the batch may not be whole yet."""
    since = (now - STILL_WRITTEN).timestamp() * 1000
    young: set[tuple[str, int]] = set()
    for name in _TABLES.values():
        files = [one for one in lake.table_files(settings, name) if one.written_ms >= since]
        if files:
            rows: pa.Table = lake.read_files(settings, name, files, _IDENTITY)
            young |= {
                (row["intake_app_id"], row["batch_id"]) for row in rows.group_by(_IDENTITY).aggregate([]).to_pylist()
            }
    return young
