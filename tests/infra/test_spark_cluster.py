"""A real standalone cluster: two workers, a job across them, one worker lost in the middle, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cairn.errors import CairnError
from cairn.settings import REPOSITORY
from infra.spark_cluster import ClusterSize, read_master_page, running_cluster, worker_is_ready
from tests.infra.cluster_job import TASKS

pytestmark = [pytest.mark.spark, pytest.mark.fault, pytest.mark.timeout(600)]


def test_a_job_ends_well_though_a_worker_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with running_cluster(tmp_path / "home", ClusterSize(workers=2, cores=1, memory_mib=1024)) as cluster:
        page = read_master_page(cluster.page_port)
        assert page is not None
        assert [(worker["cores"], worker["memory"], worker["state"]) for worker in page["workers"]] == [
            (1, 1024, "ALIVE"),
            (1, 1024, "ALIVE"),
        ]
        job = subprocess.Popen(
            [sys.executable, "-m", "tests.infra.cluster_job", cluster.address, str(notes), "1"],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # In the middle: some tasks have started, not all of them, and both workers have an executor.
        deadline = time.monotonic() + 240
        while len(list(notes.iterdir())) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        begun = len(list(notes.iterdir()))
        cluster.kill_worker("spark-worker-1")
        out, err = job.communicate(timeout=300)
        assert 3 <= begun < TASKS
        assert job.returncode == 0, err[-2000:]
        assert out.split() == [str(sum(range(TASKS))), str(TASKS)]
        assert cluster.alive_workers() == 1
        port = page["workers"][0]["port"]
        assert not worker_is_ready(cluster.page_port, port, time.time() + 60), "a beat of before is not this process's"
        processes = [process.pid for process in [cluster.master, *cluster.workers.values()] if process is not None]
    assert not [pid for pid in processes if psutil.pid_exists(pid)]
    assert read_master_page(cluster.page_port) is None


def test_a_worker_that_cannot_start_is_named(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "home", ClusterSize(workers=1)) as cluster:
        cluster.kill_worker("spark-worker-1")
        with pytest.raises(CairnError, match=r"has . of 2 workers \(spark-worker-1 ended\) after 1 s: see .*/logs"):
            cluster.wait_for_workers(2, timeout_seconds=1)
