"""The Spark session: one place for jars, Delta and the settings that one machine wants."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cairn.errors import CairnError
from cairn.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STATE_STORES = "org.apache.spark.sql.execution.streaming.state"
# Java's second compiler and its parallel collector pay off after minutes. A session that ends before that spends half
# of its processor time on them, on two cores beside a whole stack (measured: 29 s for 51 s of a demo's mastery).
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def spark_jars(settings: Settings) -> list[Path]:
    """Delta's and Kafka's jars from the cache. Raises CairnError where ``make setup`` has not fetched them."""
    jars = sorted((settings.cache_dir / "jars" / "spark").glob("*.jar"))
    if not jars:
        raise CairnError(f"no Spark jars in {settings.cache_dir}/jars/spark: run 'make setup'")
    return jars


def start_session(settings: Settings, app: str, *, is_brief: bool = False) -> SparkSession:
    """A session with Delta and Kafka, or the one already running in this process.

    ``app`` is the name shown in logs; ``is_brief`` says that there is work for a minute or two, not for hours.
    Starting costs about 10 s: steps that follow each other share one.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    scratch = settings.home / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    options = {
        "spark.jars": ",".join(str(jar) for jar in spark_jars(settings)),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch / "local"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.default.parallelism": "2",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Delta reads its log in 50 tasks unless told: far too many for small tables on one machine.
        "spark.databricks.delta.snapshotPartitions": "2",
        # Arrow readers (deltalake, dbt) cannot read deletion vectors.
        "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
        "spark.sql.streaming.stateStore.providerClass": f"{STATE_STORES}.RocksDBStateStoreProvider",
        "spark.log.level": "WARN",
        "spark.ui.showConsoleProgress": "false",
    }
    if is_brief:
        options["spark.driver.extraJavaOptions"] = BRIEF
    builder = SparkSession.builder.appName(app).master(settings.spark_master)
    for key, value in options.items():
        builder = builder.config(key, value)
    session: SparkSession = builder.getOrCreate()
    return session


def warm(session: SparkSession) -> None:
    """Start Spark's Python workers with the kernels loaded: seconds that can pass while other steps work."""
    context = session.sparkContext
    tasks = context.defaultParallelism
    context.parallelize(range(tasks), tasks).foreach(_load_kernels)


def _load_kernels(_task: int) -> None:
    import spark_jobs.mastery_bucket  # noqa: F401  # what is wanted is the import, in a worker
