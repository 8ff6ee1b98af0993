"""A Spark application of its own process: ``python -m tests.infra.cluster_job MASTER FOLDER SECONDS``.

A job of 12 Python tasks, each of which notes its start as a file in FOLDER and works SECONDS; prints the sum of what
they returned and how many executors' interpreters were this one.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyspark.sql import SparkSession

TASKS = 12


def main(master: str, folder: str, seconds: float) -> None:
    """Run the job and print its result."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.appName("cluster-job").master(master)
    options = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.executorEnv.PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
    }
    for key, value in options.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()

    def work(numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
        for number in numbers:
            (Path(folder) / f"task-{number}-{os.getpid()}").touch()
            time.sleep(seconds)
            yield number, sys.executable

    done = session.sparkContext.parallelize(range(TASKS), TASKS).mapPartitions(work).collect()
    print(sum(number for number, _ in done), sum(where == sys.executable for _, where in done))
    session.stop()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
