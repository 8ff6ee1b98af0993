"""What all tests share: a home of their own, one Spark session, real inputs by name or a named skip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cairn.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHARED = REPOSITORY.parent / "shared"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose home is empty and the test's own."""
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path / "home"))
    return Settings()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One real Spark session with Delta and Kafka for the whole run; tables live in each test's own home."""
    from spark_jobs.session import start_session

    session = start_session(Settings(home=tmp_path_factory.mktemp("spark")), "cairn-tests", is_brief=True)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One real Kafka broker for the whole run: settings whose ``kafka_bootstrap`` is its address.

    Topics outlive a test: make their names unique, or read from the offsets at the test's start.
    """
    from infra.broker import start_broker

    home = tmp_path_factory.mktemp("broker")
    running = start_broker(home, Settings().cache_dir)
    yield Settings(home=home, kafka_bootstrap=running.bootstrap)
    running.stop()


@pytest.fixture(scope="session")
def shared_fixture() -> object:
    """``shared_fixture("case/x.json")``: a real input beside the repository, or a skip that names it."""

    def find(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"real input not here: shared/{relative}")
        return path

    return find
