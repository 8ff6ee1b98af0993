"""From Kafka records to typed columns: one ``from_json`` for the three topics, under the contract's schema."""

from __future__ import annotations

from functools import cache

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cairn.contracts import Column, load_contract

# Columns of silver that no sender writes: they come from the record, from the batch, or are derived from instants.
_DERIVED = {"received_date", "work_date", "ingest_date", "kafka_partition", "kafka_offset", "intake_app_id", "batch_id"}
_RECEIPT_FIELDS = {"receipt_id": "string", "endpoint": "string", "statements": "map<string,int>"}
_REJECTED_FIELDS = {
    "rejected_id": "string",
    "statement_index": "int",
    "reason": "string",
    "detail": "string",
    "payload_sha256": "string",
    "seal_ref": "string",
}
CORRUPT = "_corrupt"


@cache
def event_columns() -> tuple[Column, ...]:
    """Columns of silver.learner_activity that a record's value carries (the derived ones left out)."""
    return tuple(c for c in load_contract("silver.learner_activity").columns if c.name not in _DERIVED)


@cache
def value_fields() -> dict[str, str]:
    """Fields of a record's value with their Spark types: the union over the three topics, one parse for all."""
    return {column.name: column.type for column in event_columns()} | _RECEIPT_FIELDS | _REJECTED_FIELDS


def value_ddl() -> str:
    """The fields as a Spark DDL string, with the column that holds what could not be parsed."""
    return ", ".join(f"`{name}` {kind}" for name, kind in value_fields().items()) + f", `{CORRUPT}` string"


def parse(records: DataFrame) -> DataFrame:
    """Kafka's columns to ``kafka_*``, ``record_key``, ``record_value``, the value's fields, and ``event_hash``.

    ``is_unreadable`` says that the value is no JSON or has a field of another type; its other fields are kept.
    """
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": CORRUPT}
    return records.select(
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("kafka_timestamp"),
        F.col("key").cast("string").alias("record_key"),
        F.col("value").cast("string").alias("record_value"),
        F.from_json(F.col("value").cast("string"), value_ddl(), options).alias("v"),
    ).selectExpr(
        *("kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "record_key", "record_value"),
        *(f"v.`{name}` as `{name}`" for name in value_fields()),
        "xxhash64(v.event_id) as event_hash",
        f"record_value is null or v.`{CORRUPT}` is not null as is_unreadable",
    )
