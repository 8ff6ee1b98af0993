"""What all tests share: a home of their own, one Spark session, real inputs by name or a named skip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cairn.settings import Settings
from infra.broker import start_broker
from spark_jobs.session import start_session
from tests.needs import is_ci, shared_input, skipped_lines


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
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose home is empty and the test's own."""
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path / "home"))
    return Settings()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One real Spark session with Delta and Kafka for the whole run; tables live in each test's own home."""
    session = start_session(Settings(home=tmp_path_factory.mktemp("spark")), "cairn-tests", is_brief=True)
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


@pytest.fixture(scope="session")
def shared_fixture() -> Callable[[str], Path]:
    """``shared_fixture("case/x.json")``: a real input beside the repository, see :func:`tests.needs.shared_input`."""
    return shared_input
