"""One truth for each table: its ODCS contract in ``schemas/tables``, read here and nowhere else.

Spark schemas, Great Expectations columns, dbt sources and the data dictionary all come from :func:`load_contract`.
Format: Open Data Contract Standard v3.0 (Bitol), one file a table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from cairn.district import LOADER
from cairn.errors import CairnError
from cairn.settings import REPOSITORY

TABLES_DIR = REPOSITORY / "schemas" / "tables"
# How a column holds a person, for erasure: a key of the person, or of an identifier, or of an event of hers; several of
# them in a list; or a text with them in it. "row": nothing by itself, it goes with its row.
HOLDS = ("student_key", "student_keys", "subject_key", "event_id", "event_ids", "payload", "row")
# Files that compaction or a rewrite replaced stay so long, for releases and readers of older versions.
FILE_RETENTION_DAYS = 30


@dataclass(frozen=True)
class Column:
    """One column of a contract; ``type`` is a Spark SQL type; ``holds``: one of HOLDS, empty where nobody is in it."""

    name: str
    type: str
    description: str
    is_key: bool
    is_required: bool
    classification: str
    allowed_values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_partition: bool = False
    holds: str = ""


@dataclass(frozen=True)
class Contract:
    """One table: ``name`` is ``layer.table``; ``grain`` says what one row is.

    ``owner`` answers for it, ``written_by`` is the one job that writes it. ``retention_days``: how long rows are kept
    (None: for good); ``file_retention_days``: how long files that were replaced stay for readers of older versions.
    ``sorted_by``: the order of rows within compacted files. ``needs_partition_filter``: too big to be read whole by
    accident.
    """

    name: str
    version: str
    purpose: str
    grain: str
    columns: tuple[Column, ...]
    owner: str
    written_by: str
    retention_days: int | None
    file_retention_days: int
    sorted_by: tuple[str, ...]
    needs_partition_filter: bool
    path: Path = field(compare=False)

    @property
    def layer(self) -> str:
        """Layer of the lake: bronze, silver, gold or ops."""
        return self.name.split(".")[0]

    @property
    def table(self) -> str:
        """Name within the layer."""
        return self.name.split(".")[1]

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that make a row unique."""
        return tuple(column.name for column in self.columns if column.is_key)

    @property
    def partitions(self) -> tuple[str, ...]:
        """Columns the table is partitioned by."""
        return tuple(column.name for column in self.columns if column.is_partition)

    @property
    def column_names(self) -> tuple[str, ...]:
        """All columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def person_columns(self) -> tuple[Column, ...]:
        """Columns by which a person is in the table: what an erasure looks at."""
        return tuple(column for column in self.columns if column.holds and column.holds != "row")

    def spark_ddl(self) -> str:
        """The columns as a Spark DDL string, for ``StructType.fromDDL`` and ``createDataFrame``."""
        return ", ".join(f"`{c.name}` {c.type}{' NOT NULL' if c.is_required else ''}" for c in self.columns)


def _column(raw: dict[str, Any]) -> Column:
    options = raw.get("logicalTypeOptions", {})
    allowed = [
        str(value)
        for rule in raw.get("quality", ())
        if rule.get("metric") == "invalidValues"
        for value in rule["arguments"]["validValues"]
    ]
    custom = {one["property"]: one["value"] for one in raw.get("customProperties", ())}
    holds = str(custom.get("holds", ""))
    if holds and holds not in HOLDS:
        raise CairnError(f"column {raw['name']} holds {holds!r}: use one of {', '.join(HOLDS)}")
    return Column(
        name=raw["name"],
        type=raw["physicalType"],
        description=raw["description"],
        is_key=bool(raw.get("primaryKey")),
        is_required=bool(raw.get("required")),
        classification=raw["classification"],
        allowed_values=tuple(allowed),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        is_partition=bool(raw.get("partitioned")),
        holds=holds,
    )


@cache
def load_contract(name: str) -> Contract:
    """The contract of table ``layer.table``. Raises KeyError where there is none."""
    layer, _, table = name.partition(".")
    path = TABLES_DIR / layer / f"{table}.yaml"
    if not path.is_file():
        raise KeyError(f"no contract {name!r}: expected {path.relative_to(REPOSITORY)}")
    raw = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    schema = raw["schema"][0]
    custom = {one["property"]: one["value"] for one in raw.get("customProperties", ())}
    missing = sorted({"owner", "writtenBy"} - set(custom))
    if missing:
        raise CairnError(f"{path.relative_to(REPOSITORY)}: customProperties lacks {', '.join(missing)}: add it")
    return Contract(
        name=schema["physicalName"],
        version=raw["version"],
        purpose=raw["description"]["purpose"],
        grain=schema["dataGranularityDescription"],
        columns=tuple(_column(column) for column in schema["properties"]),
        owner=str(custom["owner"]),
        written_by=str(custom["writtenBy"]),
        retention_days=custom.get("retentionDays"),
        file_retention_days=int(custom.get("fileRetentionDays", FILE_RETENTION_DAYS)),
        sorted_by=tuple(custom.get("sortedBy", ())),
        needs_partition_filter=bool(custom.get("needsPartitionFilter", False)),
        path=path,
    )


@lru_cache(maxsize=1)
def all_contracts() -> tuple[Contract, ...]:
    """Every table's contract, by name."""
    names = sorted(f"{path.parent.name}.{path.stem}" for path in TABLES_DIR.glob("*/*.yaml"))
    return tuple(load_contract(name) for name in names)
