"""A real standalone cluster: two workers that report, one killed, one that is missing named, nothing left behind.

That a job ends well though a worker dies in its middle is held by tests/spark_jobs/test_night_on_cluster.py.
"""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest

from cairn.errors import CairnError
from infra.spark_cluster import ClusterSize, read_master_page, running_cluster, worker_is_ready

pytestmark = [pytest.mark.spark, pytest.mark.fault, pytest.mark.timeout(600)]


def test_workers_report_a_killed_one_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "home", ClusterSize(workers=2, cores=1, memory_mib=1024)) as cluster:
        page = read_master_page(cluster.page_port)
        assert page is not None
        assert [(worker["cores"], worker["memory"], worker["state"]) for worker in page["workers"]] == [
            (1, 1024, "ALIVE"),
            (1, 1024, "ALIVE"),
        ]
        port = page["workers"][0]["port"]
        assert worker_is_ready(cluster.page_port, port, 0.0)
        assert not worker_is_ready(cluster.page_port, port, time.time() + 60), "a beat of before is not this process's"
        cluster.kill_worker("spark-worker-1")
        with pytest.raises(CairnError, match=r"has . of 3 workers \(spark-worker-1 ended\) after 1 s: see .*/logs"):
            cluster.wait_for_workers(3, timeout_seconds=1)
        processes = [process.pid for process in [cluster.master, *cluster.workers.values()] if process is not None]
    assert not [pid for pid in processes if psutil.pid_exists(pid)]
    assert read_master_page(cluster.page_port) is None
