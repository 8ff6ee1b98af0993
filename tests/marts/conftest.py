"""One small lake and one real build of its marts for all tests here."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import lake
from cairn.settings import Settings
from releases import learning, store
from spark_jobs import night_record
from tests.marts.small_lake import mastery, pilot, way_in, write_small_lake
from tests.marts.small_roster import DATA_DATE, roster


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home whose lake holds the small district; shared by the run, as dbt takes its seconds."""
    settings = Settings(home=tmp_path_factory.mktemp("marts"))
    write_small_lake(settings)
    versions = night_record.present_versions(settings)
    stamp = datetime(2026, 10, 15, 7, tzinfo=UTC)
    night = night_record.NightRecord(2, "night", DATA_DATE, stamp, versions, "pol-1", {}, pupil_buckets=2)
    night_record.record(settings, night)
    # A night that died took every pair away, but was never put on record: no mart may see it.
    changes = lake.read(settings, night_record.STATE).to_pylist()
    gone = {"night": 3, "is_base": False, "is_removed": True}
    lake.append(settings, night_record.STATE, [{**row, **gone} for row in changes])
    return settings


@pytest.fixture(scope="session")
def release(small_lake: Settings) -> store.Release:
    """One real build with every model, data test and unit test, published."""
    built = learning.build(small_lake, DATA_DATE, as_of=datetime(2026, 10, 15, 8, tzinfo=UTC), unit_tests=True)
    assert store.current(small_lake, "learning") is None, "a build publishes nothing"
    return learning.publish(small_lake, built)


@pytest.fixture(scope="session")
def small_lake_parts() -> Any:
    """The parts of the small lake by name, for a test that wants a lake of its own."""
    return SimpleNamespace(DATA_DATE=DATA_DATE, roster=roster, mastery=mastery, way_in=way_in, pilot=pilot)
