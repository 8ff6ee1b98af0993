"""Slow parts started before they are needed.

A Spark session takes ten seconds to start, importing Great Expectations four. A night of a few minutes spends them
while it waits for something else: Spark starts while the first gate works, the gates' library loads while dbt builds
in a process of its own. Nothing here changes what a step does; without it each step is only later.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from pyspark.sql import SparkSession

import lake
from cairn.settings import Settings
from gates.engine import preload
from spark_jobs.session import start_session, warm
from spark_jobs.spark_errors import stop_session

# A demo's night is over in a minute, a district's is not: below so many rows Java need not warm up.
BRIEF_ROWS = 1_000_000


class SharedSpark:
    """The Spark session that the steps of one process share: started by the first that needs it, stopped at the end.

    A session that was running already (a test's) is used and left running.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._starting: Future[SparkSession] | None = None
        self._is_ours = False

    def __enter__(self) -> SharedSpark:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def prepare(self) -> None:
        """Start the session, and what mastery needs in it, in a thread; returns at once."""
        if self._starting is None:
            self._is_ours = SparkSession.getActiveSession() is None
            with_one_thread = ThreadPoolExecutor(1, thread_name_prefix="spark-start")
            self._starting = with_one_thread.submit(self._start)
            with_one_thread.shutdown(wait=False)

    def _start(self) -> SparkSession:
        is_brief = lake.count_rows(self.settings, "silver.learner_activity") <= BRIEF_ROWS
        session = start_session(self.settings, "cairn-night", is_brief=is_brief)
        warm(session)
        return session

    def spark(self) -> SparkSession:
        """The session, started where it is not running. Raises what starting it raised."""
        self.prepare()
        assert self._starting is not None
        return self._starting.result()

    def stop(self) -> None:
        """Stop the session where this night started it; dbt then has the memory."""
        starting, self._starting = self._starting, None
        if starting is not None and self._is_ours and starting.exception() is None:
            stop_session(starting.result())


def preload_gates() -> None:
    """Load the gates' library in a thread; returns at once."""
    threading.Thread(target=preload, name="preload-gates", daemon=True).start()
