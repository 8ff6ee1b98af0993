"""Progress of a Spark job on standard error: tasks done of all, seconds gone and about how many are left."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import SparkContext

EVERY_SECONDS = 5.0


@contextmanager
def shown(context: SparkContext, what: str, *stage_tasks: int) -> Iterator[None]:
    """Say every five seconds how far the job of the ``with`` block is; ``stage_tasks``: tasks of each of its stages."""
    group = f"cairn-{what}-{time.monotonic_ns()}"
    context.setJobGroup(group, what)
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(context, group, what, sum(stage_tasks), over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _tell(context: SparkContext, group: str, what: str, total: int, over: threading.Event) -> None:
    began = time.monotonic()
    while not over.wait(EVERY_SECONDS):
        done = _tasks_done(context, group)
        seconds = time.monotonic() - began
        left = f", about {seconds * (total - done) / done:.0f} s left" if done else ""
        sys.stderr.write(f"{what}: {done} of {total} tasks, {seconds:.0f} s{left}\n")
        sys.stderr.flush()


def _tasks_done(context: SparkContext, group: str) -> int:
    tracker = context.statusTracker()
    done = 0
    for job in tracker.getJobIdsForGroup(group):
        info = tracker.getJobInfo(job)
        for stage in info.stageIds if info else ():
            stage_info = tracker.getStageInfo(stage)
            done += stage_info.numCompletedTasks if stage_info else 0
    return done
