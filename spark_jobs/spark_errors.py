"""What Spark dies of, in one line with the setting that mends it: no Java trace, no "Connection refused"."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

import lake
from cairn.errors import CairnError
from cairn.settings import Settings

# Exit statuses of a JVM that Spark ends (SparkExitCode), or that the machine ends (minus the signal).
OUT_OF_HEAP = 52
KILLED = -9
# A JVM whose heap is full answers first and ends a moment later.
ENDING_SECONDS = 10.0
# Signs of a driver that is going or gone: only then is it worth waiting for its exit status.
GOING = (
    "Error while sending or receiving",
    "Answer from Java side is empty",
    "Connection refused",
    "Connection reset",
    "SparkContext was shut down",
    "JAVA_GATEWAY_EXITED",
    "OutOfMemoryError",
)


class SparkFailedError(CairnError):
    """Spark could not do its work for a reason that a setting or the machine mends."""


@contextmanager
def spark_errors(settings: Settings) -> Iterator[None]:
    """Turn what Spark dies of inside the block into SparkFailedError, one line; other errors pass unchanged.

    A driver whose JVM has ended is forgotten, so that the next session of this process starts a new one.
    """
    try:
        yield
    except (Py4JError, PySparkException, ConnectionError, EOFError) as error:
        text = _whole_text(error)
        status = _driver_status(any(sign in text for sign in GOING) or isinstance(error, (ConnectionError, EOFError)))
        said = _reason(settings, text, status)
        if status is not None:
            forget_driver()
        if said is None:
            raise
        raise SparkFailedError(said) from error


def forget_driver() -> None:
    """Let the next session of this process start a JVM of its own: the one that was has ended."""
    SparkContext._gateway = None
    SparkContext._jvm = None
    SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = None


def stop_session(session: SparkSession) -> None:
    """Stop a session; one whose JVM has ended already is only forgotten."""
    if _driver_status(is_going=False) is not None:
        forget_driver()
    if session is SparkSession._instantiatedSession:
        session.stop()


def _whole_text(error: BaseException) -> str:
    """What an error and those behind it say, Java's included where its process still answers."""
    parts: list[str] = []
    one: BaseException | None = error
    while one is not None:
        try:
            parts.append(str(one))
        except (Py4JError, OSError):  # a Java error's text is asked of Java, which may be gone
            parts.append(type(one).__name__)
        if isinstance(one, Py4JJavaError):
            parts.append(str(one.errmsg))
        one = one.__cause__ or one.__context__
    return "\n".join(parts)


def _driver_status(is_going: bool) -> int | None:
    """Exit status of the driver's JVM; None where it runs on, or was not started by this process."""
    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return None
    try:
        return process.wait(ENDING_SECONDS if is_going else 0)
    except subprocess.TimeoutExpired:
        return None


def _reason(settings: Settings, text: str, status: int | None) -> str | None:
    """The line for a person; None for an error that is Spark's to explain."""
    driver = f"CAIRN_SPARK_DRIVER_MEMORY (spark_driver_memory in cairn.toml), now {settings.spark_driver_memory}"
    executor = (
        f"CAIRN_SPARK_EXECUTOR_MEMORY (spark_executor_memory in cairn.toml), now {settings.spark_executor_memory}"
    )
    is_local = settings.spark_master.startswith("local")
    if failed := re.search(rf"{lake.WRITE_FAILED}.*", text):
        return failed[0]
    if "INVALID_DRIVER_MEMORY" in text:
        return f"Spark's heap is too small to start: raise {driver}"
    if "INVALID_EXECUTOR_MEMORY" in text:
        return f"the heap of Spark's executors is too small to start: raise {executor}"
    if "spark.driver.maxResultSize" in text:
        size = settings.spark_driver_max_result_size
        return (
            "a Spark job sent more to the driver than it may: raise CAIRN_SPARK_DRIVER_MAX_RESULT_SIZE "
            f"(spark_driver_max_result_size in cairn.toml), now {size}"
        )
    if status == OUT_OF_HEAP or (status is not None and "OutOfMemoryError" in text):
        return f"Spark ran out of heap: raise {driver}"
    if status == KILLED:
        return f"Spark's driver was killed, as a machine does that is out of memory: free some, or lower {driver}"
    if "OutOfMemoryError" in text or "exited with code 52" in text or "exit code 52" in text:
        return f"Spark ran out of heap: raise {driver if is_local else executor}"
    if "MemoryError" in text or "Python worker exited unexpectedly" in text:
        return (
            "a Python worker of Spark ended, as one does where memory is out: run fewer at once "
            f"(CAIRN_SPARK_MASTER, now {settings.spark_master}), or free memory"
        )
    if "All masters are unresponsive" in text or "Could not parse Master URL" in text:
        return f"no Spark master answers at {settings.spark_master}: start it, or set CAIRN_SPARK_MASTER (spark_master)"
    if status is not None:
        return f"Spark's driver ended with status {status}: see what it wrote above, then try again"
    return None
