"""The Spark session: one place for jars, Delta, the object store and what the settings say of master and memory."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings
from spark_jobs.spark_errors import spark_errors
from spark_jobs.tasks import settle

STATE_STORES = "org.apache.spark.sql.execution.streaming.state"
LOOPBACK = "127.0.0.1"
# Java's second compiler and its parallel collector pay off after minutes. A session that ends before that spends half
# of its processor time on them, on two cores beside a whole stack (measured: 29 s for 51 s of a demo's mastery).
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def spark_jars(settings: Settings) -> list[Path]:
    """The jars of Delta and Kafka, and with a lake on S3 those of S3. Raises CairnError where they were not fetched."""
    jars: list[Path] = []
    for kind in ("spark", "s3") if settings.is_on_object_store else ("spark",):
        found = sorted((settings.cache_dir / "jars" / kind).glob("*.jar"))
        if not found:
            raise CairnError(f"no {kind} jars in {settings.cache_dir}/jars/{kind}: run 'make setup'")
        jars += found
    return jars


def is_local(settings: Settings) -> bool:
    """Whether Spark runs in the driver's own process."""
    return settings.spark_master.startswith("local")


def known_cores(settings: Settings) -> int | None:
    """Cores that a job has: of the machine where local, of the setting on a cluster; None where nobody says."""
    if not is_local(settings):
        return settings.spark_cores_max or None
    number = re.match(r"local\[(\d+)", settings.spark_master)
    if number:
        return int(number[1])
    return (os.cpu_count() or 1) if "[" in settings.spark_master else 1


def session_options(settings: Settings) -> dict[str, str]:
    """Spark's options, without what must not be seen; ``spark_options`` go over all others."""
    scratch = settings.home / "spark"
    options = {
        "spark.jars": ",".join(str(jar) for jar in spark_jars(settings)),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.maxResultSize": settings.spark_driver_max_result_size,
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch / "local"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
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
        "spark.redaction.regex": "(?i)secret|password|passphrase|token|access[.]?key|key[._]?id|keystore|jaas",
        **_size_options(settings),
        **_driver_address(settings),
        **_store_options(settings),
    }
    return {**options, **settings.spark_options}


def _size_options(settings: Settings) -> dict[str, str]:
    """How many tasks at once, and on a cluster what an executor gets."""
    cores = known_cores(settings)
    sizes: dict[str, int | str | None] = {
        "spark.default.parallelism": settings.spark_parallelism or cores,
        "spark.sql.shuffle.partitions": settings.spark_shuffle_partitions or (2 * cores if cores else None),
    }
    if not is_local(settings):
        sizes |= {
            "spark.executor.memory": settings.spark_executor_memory,
            "spark.executor.cores": settings.spark_executor_cores or None,
            "spark.cores.max": settings.spark_cores_max or None,
        }
    return {name: str(value) for name, value in sizes.items() if value is not None}


def _driver_address(settings: Settings) -> dict[str, str]:
    """Where executors find the driver: this machine's loopback where they are on it, else as told or Spark's choice."""
    is_here = is_local(settings) or re.match(r"spark://(127\.|localhost)", settings.spark_master) is not None
    host = settings.spark_driver_host or (LOOPBACK if is_here else "")
    bind = settings.spark_driver_bind_address or host
    found = {"spark.driver.host": host, "spark.driver.bindAddress": bind}
    return {name: value for name, value in found.items() if value}


def _store_options(settings: Settings) -> dict[str, str]:
    """How Hadoop's s3a reaches the store of the lake; nothing where the lake is a folder."""
    if not settings.is_on_object_store:
        return {}
    options = {
        "spark.hadoop.fs.s3a.endpoint.region": settings.object_store_region,
        # Hadoop's newer way (analytics) prefetches columns of Parquet: what reads much of it here is Arrow.
        "spark.hadoop.fs.s3a.input.stream.type": "classic",
    }
    if settings.object_store_endpoint:
        options |= {
            "spark.hadoop.fs.s3a.endpoint": settings.object_store_endpoint,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": str(
                settings.object_store_endpoint.startswith("https://")
            ).lower(),
        }
    if settings.object_store_key_id:
        options["spark.hadoop.fs.s3a.aws.credentials.provider"] = (
            "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
        )
    return options


def private_options(settings: Settings) -> dict[str, str]:
    """Options that must not stand on a command line: credentials, and the environment of the Python workers."""
    environment = {
        **settings.environment(),
        "PYTHONPATH": settings.spark_python_path or str(REPOSITORY),
    }
    options = {f"spark.executorEnv.{name}": value for name, value in environment.items()}
    if settings.is_on_object_store and settings.object_store_key_id:
        options["spark.hadoop.fs.s3a.access.key"] = settings.object_store_key_id
        options["spark.hadoop.fs.s3a.secret.key"] = settings.object_store_secret.get_secret_value()
    return options


def start_session(settings: Settings, app: str, *, is_brief: bool = False) -> SparkSession:
    """A session with Delta and Kafka, or the one already running in this process.

    ``app`` is the name shown in logs; ``is_brief`` says that there is work for a minute or two, not for hours.
    Starting costs about 10 s: steps that follow each other share one. Raises CairnError, in one line, where Spark
    cannot start so.
    """
    os.environ["PYSPARK_PYTHON"] = settings.spark_python or os.environ.get("PYSPARK_PYTHON") or sys.executable
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    (settings.home / "spark").mkdir(parents=True, exist_ok=True)
    options = session_options(settings)
    if "spark.driver.bindAddress" in options:
        os.environ.setdefault("SPARK_LOCAL_IP", options["spark.driver.bindAddress"])
    if is_brief:
        options.setdefault("spark.driver.extraJavaOptions", BRIEF)
    with spark_errors(settings):
        # Java is started with options that anybody may read in the list of processes; the rest is told to it after.
        shown = {**options, "spark.master": settings.spark_master, "spark.app.name": app}
        SparkContext._ensure_initialized(conf=SparkConf(loadDefaults=False).setAll(list(shown.items())))
        builder = SparkSession.builder.appName(app).master(settings.spark_master)
        for key, value in {**options, **private_options(settings)}.items():
            builder = builder.config(key, value)
        session: SparkSession = builder.getOrCreate()
    return session


def warm(session: SparkSession) -> None:
    """Start Spark's Python workers with the kernels loaded: seconds that can pass while other steps work."""
    context = session.sparkContext
    tasks = context.defaultParallelism
    context.parallelize(range(tasks), tasks).foreach(_load_kernels)


def _load_kernels(_task: int) -> None:
    # What is wanted is the import, in a worker and nowhere else.
    from cairn.mastery.warm import fold_once
    from spark_jobs import evidence, mastery_bucket  # noqa: F401

    fold_once()
    settle()
