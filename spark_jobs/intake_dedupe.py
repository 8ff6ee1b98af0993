"""New, duplicate or conflict: the batch against itself and against every event accepted before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_jobs.intake_parse import ACTIVITY_TOPIC

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def exceptions(parsed: DataFrame, keys: DataFrame, app_id: str, batch_id: int) -> DataFrame:
    """Records that repeat an event: ``kafka_partition, kafka_offset, event_fate`` (duplicate or conflict).

    The first copy in order of (partition, offset) stands; so a replay of the same offsets judges the same. ``keys`` is
    silver.activity_key; rows that this very batch wrote before it was interrupted are left out of the probe, else
    each of its events would look like a duplicate of itself.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    narrow = parsed.where((F.col("kafka_topic") == ACTIVITY_TOPIC) & F.col("problem").isNull()).select(
        "kafka_partition", "kafka_offset", "event_id", "content_hash", "event_hash"
    )
    hits = known(narrow, keys, app_id, batch_id)
    order = Window.partitionBy("event_id").orderBy("kafka_partition", "kafka_offset")
    ranked = narrow.select(
        "kafka_partition",
        "kafka_offset",
        "event_id",
        "content_hash",
        F.row_number().over(order).alias("place"),
        F.first("content_hash").over(order).alias("first_hash"),
    )
    joined = ranked.join(F.broadcast(hits), on="event_id", how="left")
    standing = F.coalesce("known_hash", "first_hash")
    return joined.where((F.col("place") > 1) | F.col("known_hash").isNotNull()).select(
        "kafka_partition",
        "kafka_offset",
        F.when(F.col("content_hash") == standing, "duplicate").otherwise("conflict").alias("event_fate"),
    )


def known(narrow: DataFrame, keys: DataFrame, app_id: str, batch_id: int) -> DataFrame:
    """Events of the batch that were accepted before: ``event_id, known_hash``.

    The small batch is broadcast against the narrow key table on the 64-bit hash. An equality on ``event_id`` would
    become a second join key and make the hash map one of strings; two ``contains`` say the same and are evaluated only
    where the hash agrees.
    """
    from pyspark.sql import functions as F

    is_own = (F.col("intake_app_id") == app_id) & (F.col("batch_id") == batch_id)
    before = keys.where(~is_own).select(
        "event_hash", F.col("event_id").alias("known_id"), F.col("content_hash").alias("known_hash")
    )
    batch = narrow.select(F.col("event_hash").alias("batch_hash"), "event_id")
    is_same = (F.col("event_hash") == F.col("batch_hash")) & (
        F.col("known_id").contains(F.col("event_id")) & F.col("event_id").contains(F.col("known_id"))
    )
    return before.join(F.broadcast(batch), on=is_same, how="inner").select("event_id", "known_hash").distinct()
