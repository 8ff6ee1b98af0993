"""The intake service: ``python -m spark_jobs.intake_service`` follows the topics until it is told to end.

It waits for the broker and the topics, goes on after a restart of the broker, logs one line a batch, and writes
``stack/intake.heartbeat`` (an ISO instant) while it is well, so that a health check need not ask Spark.
"""

from __future__ import annotations

import signal
import sys
import threading
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING

from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs import intake, intake_state
from spark_jobs.intake_batch import BatchResult

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

RETRY_SECONDS = 3.0
HEARTBEAT_SECONDS = 2.0


def log(message: str) -> None:
    """One line on standard output, with the instant."""
    sys.stdout.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {message}\n")
    sys.stdout.flush()


def beat(settings: Settings) -> None:
    """Say that intake is well."""
    path = settings.stack_state_path.parent / "intake.heartbeat"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(datetime.now(UTC).isoformat(), encoding="utf-8")
    part.replace(path)


def follow(settings: Settings, stop: threading.Event | None = None) -> None:
    """Take in what comes until ``stop`` is set, whatever happens to the broker meanwhile.

    Raises CairnError where another process holds the lease.
    """
    stop = stop or threading.Event()
    with intake_state.lease(settings) as is_held:
        if not is_held:
            raise CairnError("intake runs already: another process holds checkpoints/intake.lock")
        _wait_for_topics(settings, stop)
        if stop.is_set():
            return
        from spark_jobs.session import start_session

        session = start_session(intake.intake_settings(settings), "cairn-intake")
        log("ready")
        try:
            while not stop.is_set():
                _follow_once(session, settings, stop)
        finally:
            session.stop()


def _wait_for_topics(settings: Settings, stop: threading.Event) -> None:
    said = ""
    while not stop.is_set():
        try:
            intake.topic_partitions(settings)
            return
        except CairnError as error:
            if str(error) != said:
                log(f"waiting: {error}")
                said = str(error)
        stop.wait(RETRY_SECONDS)


def _follow_once(session: SparkSession, settings: Settings, stop: threading.Event) -> None:
    """One life of the streaming query; it ends with ``stop`` or with a failure, which is logged and tried again."""

    def done(result: BatchResult) -> None:
        log(result.line())

    try:
        query = intake.start_query(session, settings, done, once=False)
        _watch(query, settings, stop)
    except Exception as error:  # whatever a batch met, the same batch is tried again from the top
        log(f"stopped: {intake.one_line(error)}; trying again")
        stop.wait(RETRY_SECONDS)
        _wait_for_topics(settings, stop)


def _watch(query: StreamingQuery, settings: Settings, stop: threading.Event) -> None:
    try:
        while query.isActive and not stop.is_set():
            beat(settings)
            stop.wait(HEARTBEAT_SECONDS)
        failure = query.exception()
        if failure is not None:
            raise failure
    finally:
        query.stop()


def main() -> int:
    """Entry point: ends cleanly on SIGTERM and SIGINT."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        follow(Settings(), stop)
    except CairnError as error:
        log(f"error: {error}")
        return error.exit_status
    log("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
