"""One small lake and one real build of its marts for all tests here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import lake
from cairn.settings import Settings
from releases import learning, store, warehouse
from spark_jobs import night_record
from tests.marts.small_lake import write_small_lake
from tests.marts.small_roster import DATA_DATE
from tests.postgres_server import postgres_server


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
def built_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the release's fixture leaves the file that dbt built, before anything was composed from it."""
    return tmp_path_factory.mktemp("built") / "copy" / learning.BUILT


def _keep(built: Path, copy: Path) -> None:
    # What dbt wrote last stands in a log beside the file, which closing the file puts in.
    duckdb.connect(str(built)).close()
    shutil.copyfile(built, copy)


@pytest.fixture(scope="session")
def working_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the release's fixture leaves dbt's own file, with the working tables that the marts are made of."""
    return tmp_path_factory.mktemp("working") / "warehouse.duckdb"


def leave_remains(settings: Settings) -> None:
    """What a build of more than the memory holds leaves behind: its file, its log, the folder of what did not fit."""
    path = warehouse.building_path(settings)
    spilled = path.with_name(f"{path.name}.tmp")
    spilled.mkdir(parents=True)
    for left in (path, path.with_name(f"{path.name}.wal"), spilled / "duckdb_temp_storage_DEFAULT-0.tmp"):
        left.write_bytes(b"left")


@pytest.fixture(scope="session")
def release(small_lake: Settings, built_copy: Path, working_copy: Path) -> store.Release:
    """One real build with every model, data test and unit test, audited and published."""
    leave_remains(small_lake)
    built = learning.build(
        small_lake,
        DATA_DATE,
        as_of=datetime(2026, 10, 15, 8, tzinfo=UTC),
        unit_tests=True,
        on_built=lambda path: _keep(path, working_copy),
    )
    assert store.current(small_lake, "learning") is None, "a build publishes nothing"
    shutil.copytree(built.path.parent, built_copy.parent)
    assert learning.audit(small_lake, built).is_green
    return learning.publish(small_lake, built)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a real, empty Postgres server's superuser; one server for the run."""
    with postgres_server() as url:
        yield url
