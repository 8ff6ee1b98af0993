"""The intake service: ``python -m spark_jobs.intake_service`` follows the topics until it is told to end.

It looks how many records wait and takes them in at a pace that follows the volume (intake_pace), or at once where
somebody asks (intake_state.ask_for_batch). It waits for the broker and the topics, goes on after a restart of the
broker, logs one line a batch, and writes ``stack/intake.heartbeat`` (an ISO instant) while it is well, so that a health
check need not ask Spark.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from datetime import UTC, datetime
from types import FrameType

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.topics import lag
from spark_jobs import intake, intake_pace, intake_state
from spark_jobs.intake_batch import BatchResult
from spark_jobs.key_index import KeyIndex
from spark_jobs.session import start_session
from streaming.topics import TopicEnds

RETRY_SECONDS = 3.0
HEARTBEAT_SECONDS = 2
# Who waits for a batch is heard so soon; asking the broker how far it is costs a millisecond.
POLL_SECONDS = 0.5


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
            raise CairnError("intake runs already: another process holds the lease 'intake'")
        _wait_for_topics(settings, stop)
        if stop.is_set():
            return
        intake.prepare(settings, lambda line: _tell(settings, line))
        session = start_session(intake.intake_settings(settings), "cairn-intake")
        log("ready")
        try:
            while not stop.is_set():
                _follow_once(session, settings, stop)
        finally:
            session.stop()


def _tell(settings: Settings, line: str) -> None:
    """A line of a long migration, which is a sign of life as well."""
    log(line)
    beat(settings)


def _wait_for_topics(settings: Settings, stop: threading.Event) -> None:
    said = ""
    while not stop.is_set():
        try:
            intake.present_end(settings)
            return
        except CairnError as error:
            if str(error) != said:
                log(f"waiting: {error}")
                said = str(error)
        stop.wait(RETRY_SECONDS)


def _follow_once(session: SparkSession, settings: Settings, stop: threading.Event) -> None:
    """Batch after batch; ends with ``stop`` or with a failure, which is logged and tried again."""
    try:
        with TopicEnds(settings) as ends:
            _take_in_turns(session, settings, ends, stop)
    except Exception as error:  # whatever a batch met, the same batch is tried again from the top
        log(f"stopped: {intake.one_line(error)}; trying again")
        stop.wait(RETRY_SECONDS)
        _wait_for_topics(settings, stop)


def _take_in_turns(session: SparkSession, settings: Settings, ends: TopicEnds, stop: threading.Event) -> None:
    keys = KeyIndex(settings)
    passed = intake_state.passed_offsets(settings)
    heard, began = 0.0, 0.0  # the first batch is due at once: who starts the service wants to see it work

    def done(result: BatchResult) -> None:
        log(result.line())

    while not stop.is_set():
        beat(settings)
        asked = _asked_at(settings)
        waiting = sum(lag(passed, ends.now()).values())
        if intake_pace.is_due(waiting, time.monotonic() - began, is_asked=asked > heard):
            heard, began = asked, time.monotonic()
            _watch(intake.start_query(session, settings, done, keys), settings, stop)
            passed = intake_state.passed_offsets(settings)
        else:
            stop.wait(POLL_SECONDS)


def _asked_at(settings: Settings) -> float:
    """When somebody last asked for a batch; 0 where nobody has."""
    try:
        return intake_state.request_path(settings).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _watch(query: StreamingQuery, settings: Settings, stop: threading.Event) -> None:
    """Until the query has taken in what was there, fails, or is stopped."""
    try:
        while not query.awaitTermination(HEARTBEAT_SECONDS) and not stop.is_set():
            beat(settings)
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
