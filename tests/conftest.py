"""What all tests share: a home of their own, one Spark session, real inputs by name or a named skip."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyarrow import fs
from pydantic import SecretStr
from pyspark.sql import SparkSession

from cairn.settings import REPOSITORY, Settings
from cairn.settings import settings as process_settings
from infra.broker import start_broker
from spark_jobs.session import start_session
from tests.needs import is_ci, shared_input, skipped_lines

# Files that take minutes in one piece, relative to tests/. Two processes share the run of ``make test`` (pytest-xdist,
# which keeps the tests of a file together), these begin first and the others fill up.
LONG_FILES = (
    "end_to_end/test_whole_path.py",
    "end_to_end/test_six_pilots.py",
    "marts/test_held_and_lost.py",
)
# A process of pytest-xdist has a main module without a file, and pyspark.sql.connect, which Great Expectations imports,
# ends every process whose main module has none: it takes it for a doctest.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = pytest.__file__


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, all others in their order."""
    first = {Path(__file__).parent / name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: first.get(item.path, len(first)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """After pytest's own summary, where it is read: what was skipped and why, or that nothing was."""
    result = yield
    lines = skipped_lines(terminalreporter.getreports("skipped"))
    terminalreporter.section("Skipped" if lines else "Skipped: nothing", yellow=bool(lines))
    for line in lines:
        terminalreporter.line(line)
    if lines and is_ci():
        terminalreporter.line("Under CI nothing may be skipped: this run counts as failed.", red=True)
    return result


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI a skip by any other way than ``tests.needs`` fails the run too."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if is_ci() and reporter is not None and reporter.getreports("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings whose home is empty and the test's own; a command that the test runs reads the same."""
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path / "home"))
    process_settings.cache_clear()
    yield Settings()
    process_settings.cache_clear()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One real Spark session with Delta and Kafka for the whole run; tables live in each test's own home."""
    # So little that a job which collects rows that grow with pupils fails here and not at a district.
    own = Settings(home=tmp_path_factory.mktemp("spark"), spark_driver_max_result_size="32m")
    # Its connections say goodbye when Python ends, to an output that pytest has closed by then.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    session = start_session(own, "cairn-tests", is_brief=True)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One real Kafka broker for the whole run: settings whose ``kafka_bootstrap`` is its address.

    Topics outlive a test: make their names unique, or read from the offsets at the test's start.
    """
    home = tmp_path_factory.mktemp("broker")
    running = start_broker(home, Settings().cache_dir)
    yield Settings(home=home, kafka_bootstrap=running.bootstrap)
    running.stop()


STORE_KEY = "testing"
STORE_SECRET = "not-to-be-shown-anywhere"


def _store_server(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """moto's server on a free port, with a bucket ``lake``; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = folder / "s3.log"
    with log.open("wb") as stream:
        command = [sys.executable, str(REPOSITORY / "tests" / "s3_server.py"), str(port), "strict"]
        server = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                server.kill()
                pytest.fail(f"moto's server does not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
    host = f"127.0.0.1:{port}"
    client = fs.S3FileSystem(
        access_key=STORE_KEY,
        secret_key=STORE_SECRET,
        region="us-east-1",
        endpoint_override=host,
        scheme="http",
        allow_bucket_creation=True,
    )
    client.create_dir("lake")
    return server, f"http://{host}"


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3-like store, a process of its own, for the whole run; its bucket is ``lake``."""
    server, address = _store_server(tmp_path_factory.mktemp("s3"))
    yield address
    server.terminate()
    server.wait(timeout=10)


@pytest.fixture
def store_settings(object_store: str, tmp_path: Path) -> Settings:
    """Settings whose lake is empty, the test's own, and lies on an S3-like store."""
    return Settings(
        home=tmp_path / "home",
        lake_url=f"s3://lake/{uuid.uuid4().hex[:12]}",
        object_store_endpoint=object_store,
        object_store_key_id=STORE_KEY,
        object_store_secret=SecretStr(STORE_SECRET),
    )


@pytest.fixture
def run_apart(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``run_apart(settings, program, *arguments)``: Python in a process of its own with these settings, ended after."""
    started: list[subprocess.Popen[str]] = []

    def run(settings: Settings, program: str, *arguments: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
        paths = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env={**inherited, **settings.environment(), "PYTHONPATH": paths},
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def shared_fixture() -> Callable[[str], Path]:
    """``shared_fixture("case/x.json")``: a real input beside the repository, see :func:`tests.needs.shared_input`."""
    return shared_input
