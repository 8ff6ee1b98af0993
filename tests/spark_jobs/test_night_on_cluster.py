"""The same night on one machine over a folder, and on a standalone cluster over an S3-like store: the same tables.

Real processes: a master and two workers, moto's server; one worker is killed in the middle of the second night.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cairn.settings import Settings
from infra import jars
from infra.spark_cluster import ClusterSize, running_cluster
from tests.spark_jobs import mastery_lake as small

pytestmark = [pytest.mark.spark, pytest.mark.long_fault, pytest.mark.timeout(600)]

PROGRAM = "from tests.spark_jobs.cluster_night import main; main()"
Run = Callable[..., subprocess.Popen[str]]


def said(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if line != word:
        process.kill()
        raise AssertionError(f"{line!r} in place of {word!r}: {process.communicate()[1][-3000:]}")


def tables(settings: Settings) -> dict[str, Any]:
    return {
        "states": small.states(settings),
        "days": small.days(settings),
        "decisions": small.standing(settings),
    }


def test_a_cluster_over_a_store_gives_the_same_tables_though_a_worker_dies(
    tmp_path: Path, store_settings: Settings, run_apart: Run
) -> None:
    alone = Settings(home=tmp_path / "alone", pupil_buckets=8, spark_master="local[2]")
    process = run_apart(alone, PROGRAM)
    said(process, "first")
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    said(process, "second")
    assert process.wait(timeout=60) == 0
    with running_cluster(tmp_path / "cluster", ClusterSize(workers=2, cores=1, memory_mib=1024)) as cluster:
        many = store_settings.model_copy(
            update={
                "pupil_buckets": 8,
                "spark_master": cluster.address,
                "spark_executor_memory": "700m",
                "spark_cores_max": 2,
            }
        )
        jars.ensure(many, lambda _text: None)
        process = run_apart(many, PROGRAM)
        said(process, "first")
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        cluster.kill_worker("spark-worker-1")
        said(process, "second")
        assert process.wait(timeout=60) == 0
        assert cluster.alive_workers() == 1
    assert tables(many) == tables(alone)
