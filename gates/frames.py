"""Frames under a gate: rows of the night as pandas where they fit, as Spark where they do not; failing rows by name.

One expectation costs Spark several jobs, whatever the number of rows: on two cores a suite takes 0.2 s over pandas
and 10 s over Spark for the few hundred thousand rows of a usual night. The expectations are the same either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lake
import lake.spark
from cairn.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from gates.model import Rule

MOST_ROWS_IN_MEMORY = 1_000_000
MOST_IDS = 400


@dataclass(frozen=True)
class Frame:
    """Rows to check: ``arrow`` or ``spark``, how many, and which column names a row (its event id or decision id)."""

    table_name: str
    rows: int
    id_column: str
    arrow: pa.Table | None = None
    spark: DataFrame | None = None

    def for_expectations(self) -> Any:
        """The frame that Great Expectations gets."""
        return self.arrow.to_pandas() if self.arrow is not None else self.spark

    def failing(self, rule: Rule, scope: str) -> list[tuple[str, str, int, list[str]]]:
        """Rows that break the rule by scope: scope type, scope id, how many, some ids.

        ``scope`` is SQL that gives ``type/id``.
        """
        condition = rule.bad_rows or self._repeated(rule)
        chosen = f"select {scope} as scope, cast({self.id_column} as string) as id from rows where {condition}"
        counts = self._query(f"select scope, count(*) as n from ({chosen}) as t group by scope order by scope")
        ids = self._query(f"select distinct scope, id from ({chosen}) as t where id is not null limit {MOST_IDS}")
        found = []
        for name, number in counts:
            kind, _, key = str(name or "all/*").partition("/")
            found.append((kind, key, int(number), sorted(str(row[1]) for row in ids if row[0] == name)))
        return found

    def _repeated(self, rule: Rule) -> str:
        keys = ", ".join(rule.unique)
        whole = f"({keys})" if len(rule.unique) > 1 else keys
        return f"{whole} in (select {keys} from rows group by {keys} having count(*) > 1)"

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        if self.arrow is not None:
            import duckdb

            connection = duckdb.connect()
            try:
                connection.execute("set memory_limit = '1GB'; set threads = 2")
                connection.register("rows", self.arrow)
                return connection.execute(sql).fetchall()
            finally:
                connection.close()
        assert self.spark is not None
        return [
            tuple(row)
            for row in self.spark.sparkSession.sql(sql.replace("from rows", "from {rows}"), rows=self.spark).collect()
        ]


def load(
    settings: Settings,
    name: str,
    columns: Sequence[str],
    id_column: str,
    filters: Any,
    spark: Callable[[], SparkSession] | None = None,
    spark_filter: str = "true",
    most_rows_in_memory: int = MOST_ROWS_IN_MEMORY,
    version: int | None = None,
) -> Frame:
    """Rows of a lake table: by the pyarrow expression ``filters``, the same said to Spark in ``spark_filter``.

    The newest rows, or those of a version where one is named. Rows that do not fit go to Spark, whose session is asked
    for only then; without one they are read into memory whatever their number.
    """
    dataset = lake.dataset(settings, name, version=version)
    rows = int(dataset.count_rows(filter=filters))
    wanted = list(dict.fromkeys([*columns, id_column]))
    if spark is None or rows <= most_rows_in_memory:
        return Frame(name, rows, id_column, arrow=dataset.to_table(columns=wanted, filter=filters))
    frame = lake.spark.read(spark(), settings, name, version=version).where(spark_filter).select(*wanted).persist()
    return Frame(name, rows, id_column, spark=frame)
