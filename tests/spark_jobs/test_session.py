"""The session's options follow the settings and the machine; what must not be seen is kept apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs.session import private_options, session_options

CORES = os.cpu_count() or 1


def options(tmp_path: Path, **values: Any) -> dict[str, str]:
    """Options of a session with these settings, and empty jars in a cache of its own."""
    for kind in ("spark", "s3"):
        (tmp_path / "jars" / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / "jars" / kind / f"{kind}.jar").touch()
    return session_options(Settings(home=tmp_path / "home", cache_dir=tmp_path, **values))


def test_one_machine_needs_no_setting(tmp_path: Path) -> None:
    found = options(tmp_path)
    assert found["spark.default.parallelism"] == str(CORES)
    assert found["spark.sql.shuffle.partitions"] == str(2 * CORES)
    assert found["spark.driver.host"] == found["spark.driver.bindAddress"] == "127.0.0.1"
    assert "spark.executor.memory" not in found
    assert not [name for name in found if "s3a" in name] and "s3.jar" not in found["spark.jars"]


@pytest.mark.parametrize(("master", "tasks"), [("local[3]", 3), ("local", 1), ("local[5,2]", 5)])
def test_cores_are_those_of_the_master(tmp_path: Path, master: str, tasks: int) -> None:
    found = options(tmp_path, spark_master=master)
    assert found["spark.default.parallelism"] == str(tasks)
    assert found["spark.sql.shuffle.partitions"] == str(2 * tasks)


def test_each_setting_reaches_spark(tmp_path: Path) -> None:
    found = options(
        tmp_path,
        spark_master="spark://cluster.example.org:7077",
        spark_driver_memory="3g",
        spark_driver_max_result_size="64m",
        spark_driver_host="driver.example.org",
        spark_driver_bind_address="0.0.0.0",
        spark_executor_memory="7g",
        spark_executor_cores=3,
        spark_cores_max=12,
        spark_parallelism=30,
        spark_shuffle_partitions=50,
        spark_options={"spark.sql.shuffle.partitions": "77", "spark.speculation": "true"},
    )
    wanted = {
        "spark.driver.memory": "3g",
        "spark.driver.maxResultSize": "64m",
        "spark.driver.host": "driver.example.org",
        "spark.driver.bindAddress": "0.0.0.0",
        "spark.executor.memory": "7g",
        "spark.executor.cores": "3",
        "spark.cores.max": "12",
        "spark.default.parallelism": "30",
        "spark.sql.shuffle.partitions": "77",
        "spark.speculation": "true",
    }
    assert {name: found[name] for name in wanted} == wanted


def test_a_cluster_elsewhere_decides_what_nobody_says(tmp_path: Path) -> None:
    found = options(tmp_path, spark_master="spark://cluster.example.org:7077")
    assert not {"spark.driver.host", "spark.cores.max", "spark.default.parallelism"} & set(found)
    here = options(tmp_path, spark_master="spark://127.0.0.1:7077")
    assert here["spark.driver.host"] == "127.0.0.1" and "spark.default.parallelism" not in here


def test_credentials_are_kept_apart(tmp_path: Path) -> None:
    store = {
        "lake_url": "s3://district/lake",
        "object_store_endpoint": "http://store.example.org:9000",
        "object_store_key_id": "the-key-id",
        "object_store_secret": SecretStr("the-secret"),
    }
    found = options(tmp_path, **store)
    assert "s3.jar" in found["spark.jars"]
    assert found["spark.hadoop.fs.s3a.endpoint"] == "http://store.example.org:9000"
    assert found["spark.hadoop.fs.s3a.path.style.access"] == "true"
    assert not [value for value in found.values() if "the-key-id" in value or "the-secret" in value]
    private = private_options(Settings(home=tmp_path / "home", cache_dir=tmp_path, **store))
    assert private["spark.hadoop.fs.s3a.secret.key"] == "the-secret"
    assert private["spark.executorEnv.CAIRN_OBJECT_STORE_SECRET"] == "the-secret"
    assert private["spark.executorEnv.CAIRN_LAKE_URL"] == "s3://district/lake"


def test_jars_that_were_not_fetched_are_named(tmp_path: Path) -> None:
    (tmp_path / "jars" / "spark").mkdir(parents=True)
    (tmp_path / "jars" / "spark" / "a.jar").touch()
    with pytest.raises(CairnError, match=r"no s3 jars in .*: run 'make setup'"):
        session_options(Settings(home=tmp_path / "home", cache_dir=tmp_path, lake_url="s3://district/lake"))
