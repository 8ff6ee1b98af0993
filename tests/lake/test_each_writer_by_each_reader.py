"""Whatever writes a table, whatever reads it finds the same rows: by text, by instant, by day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dbt.adapters.duckdb.utils import SourceConfig
from delta.tables import DeltaTable as SparkDeltaTable
from deltalake import DeltaTable

import lake
import lake.dbt_source
import lake.spark
from cairn.contracts import load_contract
from cairn.settings import Settings
from lake.location import storage_options
from tests.lake.conftest import Place
from tests.lake.receipts import AT, DAYS, TABLE, receipt

pytestmark = pytest.mark.spark
Row = dict[str, Any]
STANDING = [receipt(n) for n in range(8)]
NEW = [receipt(n, org_id="école-b") for n in (20, 21)]
# What a merge says: one row changed, one new.
MERGED = [receipt(1, org_id="école-b", statements_received=99), receipt(30, org_id="école-b")]


def arrow(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, lake.file_schema(TABLE))


def merged(rows: list[Row], changes: list[Row]) -> list[Row]:
    return list(({row["receipt_id"]: row for row in rows} | {row["receipt_id"]: row for row in changes}).values())


def append(settings: Settings, _: Any) -> list[Row]:
    lake.append(settings, TABLE, NEW)
    return [*STANDING, *NEW]


def append_once(settings: Settings, _: Any) -> list[Row]:
    assert lake.append_once(settings, TABLE, arrow(NEW), ("writer", 1))
    assert not lake.append_once(settings, TABLE, arrow(NEW), ("writer", 1))
    return [*STANDING, *NEW]


def replace_partitions(settings: Settings, _: Any) -> list[Row]:
    row = receipt(21, org_id="école-b")
    lake.replace_partitions(settings, TABLE, arrow([row]), [("received_date", "=", DAYS[1])])
    return [*(old for old in STANDING if old["received_date"] != DAYS[1]), row]


def replace_rows(settings: Settings, _: Any) -> list[Row]:
    assert lake.replace_rows(settings, TABLE, arrow(MERGED), ["receipt_id"]) == 1
    return merged(STANDING, MERGED)


def delete_rows(settings: Settings, _: Any) -> list[Row]:
    assert lake.delete_rows(settings, TABLE, pc.field("org_id") == "school-a") == 3
    return [row for row in STANDING if row["org_id"] != "school-a"]


def compact(settings: Settings, _: Any) -> list[Row]:
    for row in NEW:
        lake.append(settings, TABLE, [row])
    assert lake.compact(settings, TABLE) > 0
    return [*STANDING, *NEW]


def write_in_a_layout(settings: Settings, _: Any) -> list[Row]:
    """As a Spark task writes its bucket's files: by themselves, committed together, laid out for their readers."""
    layout = lake.Layout(row_group_rows=1, plain=("receipt_id",), compression="lz4")
    files = [
        lake.write_file(settings, TABLE, arrow([row]), {"received_date": row["received_date"]}, layout=layout)
        for row in NEW
    ]
    lake.commit_files(settings, TABLE, files)
    return [*STANDING, *NEW]


def frame(spark: Any, rows: list[Row]) -> Any:
    contract = load_contract(TABLE)
    tuples = [tuple(row[name] for name in contract.column_names) for row in rows]
    return spark.createDataFrame(tuples, lake.spark.nullable_ddl(contract))


def address(settings: Settings) -> str:
    return lake.spark.spark_uri(lake.table_uri(settings, TABLE))


def spark_append(settings: Settings, spark: Any) -> list[Row]:
    frame(spark, NEW).write.format("delta").mode("append").save(address(settings))
    return [*STANDING, *NEW]


def spark_merge(settings: Settings, spark: Any) -> list[Row]:
    table = SparkDeltaTable.forPath(spark, address(settings)).alias("old")
    merge = table.merge(frame(spark, MERGED).alias("new"), "old.receipt_id = new.receipt_id")
    merge.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
    return merged(STANDING, MERGED)


def deltalake_merge(settings: Settings, _: Any) -> list[Row]:
    """Not by us: what it writes has text statistics that Delta's own Arrow reader cannot compare."""
    table = DeltaTable(lake.table_uri(settings, TABLE), storage_options=storage_options(settings))
    merge = table.merge(arrow(MERGED), "old.receipt_id = new.receipt_id", source_alias="new", target_alias="old")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    return merged(STANDING, MERGED)


def deltalake_delete(settings: Settings, _: Any) -> list[Row]:
    DeltaTable(lake.table_uri(settings, TABLE), storage_options=storage_options(settings)).delete("org_id = 'school-a'")
    return [row for row in STANDING if row["org_id"] != "school-a"]


WRITERS: tuple[Callable[[Settings, Any], list[Row]], ...] = (
    append,
    append_once,
    replace_partitions,
    replace_rows,
    delete_rows,
    compact,
    write_in_a_layout,
    spark_append,
    spark_merge,
    deltalake_merge,
    deltalake_delete,
)


@dataclass(frozen=True)
class Question:
    """Which rows: in Arrow, in SQL (``{instant}`` is the engine's type of an instant), and in plain Python."""

    arrow: Any
    sql: str
    holds: Callable[[Row], bool]


SINCE = AT + timedelta(microseconds=3)
QUESTIONS = {
    "all": Question(None, "true", lambda row: True),
    "text": Question(pc.field("org_id") == "école-b", "org_id = 'école-b'", lambda row: row["org_id"] == "école-b"),
    "empty text": Question(pc.field("org_id") == "", "org_id = ''", lambda row: row["org_id"] == ""),
    "texts": Question(
        pc.field("receipt_id").isin(["r001", "r030"]),
        "receipt_id in ('r001', 'r030')",
        lambda row: row["receipt_id"] in {"r001", "r030"},
    ),
    "instant": Question(
        pc.field("received_at") >= pa.scalar(SINCE, pa.timestamp("us", "UTC")),
        f"received_at >= cast('{SINCE.isoformat(sep=' ')}' as {{instant}})",
        lambda row: row["received_at"] >= SINCE,
    ),
    "day": Question(
        pc.field("received_date") == DAYS[1],
        f"received_date = date '{DAYS[1]}'",
        lambda row: row["received_date"] == DAYS[1],
    ),
}
Answer = list[tuple[str, str, int]]
COLUMNS = ["receipt_id", "org_id", "statements_received"]


def rows_of(table: pa.Table) -> Answer:
    return [tuple(row[name] for name in COLUMNS) for row in table.to_pylist()]


def by_arrow(settings: Settings, _: Any, question: Question) -> Answer:
    return rows_of(lake.read(settings, TABLE, COLUMNS, question.arrow))


def by_partitions(settings: Settings, _: Any, question: Question) -> Answer:
    found = []
    for day in DAYS:
        data = lake.dataset(settings, TABLE, {"received_date": [day]})
        table = data.to_table(columns=[*COLUMNS, "received_date"], filter=question.arrow)
        assert set(table["received_date"].to_pylist()) <= {day}
        found += rows_of(table)
    return found


def ask_duckdb(source: Any, question: Question) -> Answer:
    with duckdb.connect() as connection:
        connection.register("receipts", source)
        where = question.sql.format(instant="timestamptz")
        return connection.execute(f"select {', '.join(COLUMNS)} from receipts where {where}").fetchall()


def by_duckdb(settings: Settings, _: Any, question: Question) -> Answer:
    return ask_duckdb(lake.dataset(settings, TABLE), question)


def by_dbt(settings: Settings, _: Any, question: Question) -> Answer:
    plugin = lake.dbt_source.Plugin("lake", {})
    source = SourceConfig(
        name="receipts", identifier="receipts", schema="bronze", database=None, meta={"lake_table": TABLE}, tags=[]
    )
    return ask_duckdb(plugin.load(source), question)


def ask_spark(data: Any, question: Question) -> Answer:
    return [tuple(row) for row in data.where(question.sql.format(instant="timestamp")).select(*COLUMNS).collect()]


def by_spark(settings: Settings, spark: Any, question: Question) -> Answer:
    return ask_spark(lake.spark.read(spark, settings, TABLE), question)


def by_spark_delta(settings: Settings, spark: Any, question: Question) -> Answer:
    """Delta's own reader, which skips files by the statistics that we write into the log."""
    return ask_spark(spark.read.format("delta").load(address(settings)), question)


READERS: tuple[Callable[[Settings, Any, Question], Answer], ...] = (
    by_arrow,
    by_partitions,
    by_duckdb,
    by_dbt,
    by_spark,
    by_spark_delta,
)


@pytest.fixture(scope="module", params=WRITERS, ids=lambda writer: writer.__name__)
def written(request: pytest.FixtureRequest, place: Place, spark: Any) -> tuple[Settings, list[Row]]:
    """A table with rows of two days in two commits, then written to; and the rows that it must hold."""
    writer = request.param
    settings = place(writer.__name__)
    lake.append(settings, TABLE, STANDING[:4])
    lake.append(settings, TABLE, STANDING[4:])
    return settings, writer(settings, spark)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_the_reader_finds_what_the_writer_left(
    written: tuple[Settings, list[Row]], reader: Any, spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, rows = written
    monkeypatch.setattr(lake.dbt_source, "settings", lambda: settings)
    for name, question in QUESTIONS.items():
        expected = sorted(tuple(row[column] for column in COLUMNS) for row in rows if question.holds(row))
        assert sorted(reader(settings, spark, question)) == expected, name
