"""From Kafka records to checked columns: one parse for the three topics, one verdict a record.

Pure functions from frame to frame. Dates are derived here from instants, never taken from the sender, so that the
receipts, the refusals and the events of one request always fall on the same district-local day.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from cairn.contracts import Column, load_contract

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

ACTIVITY_TOPIC = "learner.activity.v1"
RECEIPTS_TOPIC = "learner.activity.receipts.v1"
REJECTED_TOPIC = "learner.activity.rejected.v1"
TOPICS = (ACTIVITY_TOPIC, RECEIPTS_TOPIC, REJECTED_TOPIC)

UNKNOWN = "unknown"
# Work before the first electronic record or in the next century is a broken clock, not work.
EARLIEST, LATEST = "1990-01-01", "2100-01-01"

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
_REQUIRED_OF_RECEIPT = ("receipt_id", "source_id", "received_at", "statements")
_REQUIRED_OF_REJECTED = ("rejected_id", "receipt_id", "source_id", "received_at", "reason", "payload_sha256")


def event_columns() -> tuple[Column, ...]:
    """Columns of silver.learner_activity that a record's value carries (the derived ones left out)."""
    return tuple(c for c in load_contract("silver.learner_activity").columns if c.name not in _DERIVED)


def value_ddl() -> str:
    """Schema of a record's value: the union of the fields of the three topics, one parse for all."""
    fields = {column.name: column.type for column in event_columns()} | _RECEIPT_FIELDS | _REJECTED_FIELDS
    return ", ".join(f"`{name}` {kind}" for name, kind in fields.items()) + ", `_corrupt` string"


def parse(records: DataFrame, timezone: str) -> DataFrame:
    """Kafka's columns to ``kafka_*``, ``record_key``, ``record_value``, the value's fields, dates and ``problem``.

    ``problem`` is null where the record keeps its contract, else "reason: detail"; the detail names a field and never
    a value. ``timezone`` is the district's, by which instants become days.
    """
    from pyspark.sql import functions as F

    text = records.select(
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("kafka_timestamp"),
        F.col("key").cast("string").alias("record_key"),
        F.col("value").cast("string").alias("record_value"),
    )
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_corrupt"}
    fields = text.withColumn("_v", F.from_json("record_value", value_ddl(), options)).select(
        *text.columns, F.col("_v.*")
    )
    arrived = F.coalesce("received_at", "kafka_timestamp")
    return fields.select(
        "*",
        F.to_date(F.from_utc_timestamp(arrived, timezone)).alias("received_date"),
        F.to_date(F.from_utc_timestamp("event_time", timezone)).alias("work_date"),
        F.coalesce(F.nullif(F.col("source_id"), F.lit("")), F.lit(UNKNOWN)).alias("scope_source"),
        F.coalesce(F.nullif(F.col("org_id"), F.lit("")), F.lit(UNKNOWN)).alias("scope_org"),
        F.xxhash64("event_id").alias("event_hash"),
        _problem().alias("problem"),
    ).drop("_corrupt")


def _verdict(reason: str, detail: str) -> SparkColumn:
    from pyspark.sql import functions as F

    return F.lit(f"{reason}: {detail}")


def _missing(names: tuple[str, ...]) -> list[SparkColumn]:
    from pyspark.sql import functions as F

    return [
        F.when(F.col(name).isNull() | (F.col(name).cast("string") == ""), _verdict("missing_field", f"{name} is empty"))
        for name in names
        if name != "statements"
    ]


def _problem() -> SparkColumn:
    from pyspark.sql import functions as F

    topic = F.col("kafka_topic")
    unreadable = F.when(
        F.col("record_value").isNull() | F.col("_corrupt").isNotNull(),
        _verdict("unreadable", "not JSON, or a field of another type than the contract's; send it again corrected"),
    )
    per_topic = (
        F.when(topic == ACTIVITY_TOPIC, F.coalesce(*_activity_problems()))
        .when(
            topic == RECEIPTS_TOPIC,
            F.coalesce(
                *_missing(_REQUIRED_OF_RECEIPT),
                F.when(F.col("statements").isNull(), _verdict("missing_field", "statements is empty")),
            ),
        )
        .otherwise(F.coalesce(*_missing(_REQUIRED_OF_REJECTED)))
    )
    return F.coalesce(unreadable, per_topic)


def _activity_problems() -> list[SparkColumn]:
    """Every rule of the contract on an event, in the order in which a sender would mend them."""
    from pyspark.sql import functions as F

    columns = event_columns()
    problems = _missing(tuple(c.name for c in columns if c.is_required))
    problems += [
        F.when(
            ~F.col(c.name).isin(*c.allowed_values),
            _verdict("value_not_allowed", f"{c.name} must be one of {', '.join(c.allowed_values)}"),
        )
        for c in columns
        if c.allowed_values
    ]
    for c in columns:
        bounds = [F.col(c.name) < c.minimum] if c.minimum is not None else []
        bounds += [F.col(c.name) > c.maximum] if c.maximum is not None else []
        if bounds:
            limits = f"{c.name} must lie between {c.minimum} and {c.maximum}"
            problems.append(F.when(reduce(lambda a, b: a | b, bounds), _verdict("out_of_range", limits)))
    for name in ("event_time", "received_at"):
        instant = F.col(name)
        is_odd = (instant < F.lit(EARLIEST).cast("timestamp")) | (instant >= F.lit(LATEST).cast("timestamp"))
        problems.append(F.when(is_odd, _verdict("out_of_range", f"{name} must lie between {EARLIEST} and {LATEST}")))
    wrong_key = F.col("record_key").isNull() | (F.col("record_key") != F.col("subject_key"))
    problems.append(F.when(wrong_key, _verdict("key_mismatch", "the record's key must be its subject_key")))
    return problems
