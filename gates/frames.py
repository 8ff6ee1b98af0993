"""Frames under a gate: rows of the night in memory where they fit, scanned where they lie where they do not.

Rows that fit are checked by Great Expectations over pandas. Of more, DuckDB counts by each rule's own SQL the rows that
break it, within a bounded memory, and Great Expectations checks the counts. A test holds that both say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

import lake
from cairn.settings import Settings
from gates.model import SAMPLE_IDS, Rule
from lake import sql

MOST_ROWS_IN_MEMORY = 1_000_000
MEMORY_LIMIT = "1GB"
# What DuckDB reads as a table: rows in memory, or files of the lake that it scans.
Source: TypeAlias = pa.Table | ds.Dataset


@dataclass(frozen=True)
class Frame:
    """Rows to check: where they are, how many, and which column names a row (its event id or decision id).

    ``query`` makes the rows out of ``source`` (called ``source`` there) and ``beside``, tables by name.
    """

    settings: Settings
    table_name: str
    rows: int
    id_column: str
    source: Source
    query: str = "select * from source"
    beside: Mapping[str, Source] = field(default_factory=dict)

    @property
    def is_in_memory(self) -> bool:
        """Whether the rows are, so that pandas may have them."""
        return isinstance(self.source, pa.Table)

    def to_pandas(self) -> pd.DataFrame:
        """All rows, for Great Expectations; for a frame in memory."""
        with sql.bounded(self.settings, MEMORY_LIMIT) as connection:
            self._register(connection)
            return connection.sql(self.query).to_arrow_table().to_pandas()

    def count_bad(self, rules: Sequence[Rule]) -> dict[str, int]:
        """How many rows break each rule, by one pass, and one more a rule of uniqueness."""
        of_rows = [rule for rule in rules if rule.bad_rows]
        counts = ", ".join(f"count(*) filter ({rule.bad_rows})" for rule in of_rows) or "0"
        bad = dict(zip((rule.rule_id for rule in of_rows), self.ask(f"select {counts} from rows")[0], strict=False))
        for rule in rules:
            if not rule.bad_rows:
                bad[rule.rule_id] = self.ask(f"select count(*) from rows where {_repeated(rule)}")[0][0]
        return bad

    def failing(self, rule: Rule, scope: str) -> list[tuple[str, str, int, list[str]]]:
        """Rows that break the rule by scope: scope type, scope id, how many, some ids.

        ``scope`` is SQL that gives ``type/id``.
        """
        condition = rule.bad_rows or _repeated(rule)
        chosen = f"select {scope} as scope, cast({self.id_column} as string) as id from rows where {condition}"
        counts = self.ask(f"select scope, count(*) as n from ({chosen}) as t group by scope order by scope")
        # Some of each scope, so that none is told without an id because another has many.
        ids = self.ask(
            f"select scope, id from (select scope, id, row_number() over (partition by scope order by id) as n"
            f" from (select distinct scope, id from ({chosen}) as t where id is not null) as d) as r"
            f" where n <= {SAMPLE_IDS}"
        )
        found = []
        for name, number in counts:
            kind, _, key = str(name or "all/*").partition("/")
            found.append((kind, key, int(number), sorted(str(row[1]) for row in ids if row[0] == name)))
        return found

    def ask(self, question: str, **more: Source) -> list[tuple[Any, ...]]:
        """The answer to SQL over the table ``rows`` and those in ``more``."""
        with sql.bounded(self.settings, MEMORY_LIMIT) as connection:
            self._register(connection)
            for name, table in more.items():
                connection.register(name, table)
            connection.execute(f"create temp view rows as {self.query}")
            return connection.execute(question).fetchall()

    def _register(self, connection: sql.Connection) -> None:
        for name, table in {"source": self.source, **self.beside}.items():
            connection.register(name, table)


def _repeated(rule: Rule) -> str:
    keys = ", ".join(rule.unique)
    whole = f"({keys})" if len(rule.unique) > 1 else keys
    return f"{whole} in (select {keys} from rows group by {keys} having count(*) > 1)"


def load(
    settings: Settings,
    name: str,
    columns: Sequence[str],
    id_column: str,
    filters: Any,
    most_rows_in_memory: int = MOST_ROWS_IN_MEMORY,
    version: int | None = None,
) -> Frame:
    """Rows of a lake table by the pyarrow expression ``filters``: in memory where they are not more than that many.

    The newest rows, or those of a version where one is named.
    """
    dataset = lake.dataset(settings, name, lake.EVERY, version)
    rows = int(dataset.count_rows(filter=filters))
    wanted = list(dict.fromkeys([*columns, id_column]))
    if rows <= most_rows_in_memory:
        return Frame(settings, name, rows, id_column, dataset.to_table(columns=wanted, filter=filters))
    return Frame(settings, name, rows, id_column, dataset.filter(filters))
