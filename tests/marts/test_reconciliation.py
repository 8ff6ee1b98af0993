"""Marts add up to the lake to the unit: dbt's tests hold on what was built, and find one row gone or doubled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import jinja2
import pytest
import yaml

import lake
from cairn.settings import Settings
from gates.mart_models import MARTS, mart_models
from releases import store
from releases.dbt_sources import PROJECT
from tests.marts.small_roster import DATA_DATE

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(600)]

MACROS = ("current_rows", "data_date", "rules")


@pytest.fixture(scope="module")
def connection(
    release: store.Release, small_lake: Settings, working_copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """What dbt built, with the lake's tables beside it."""
    path = tmp_path_factory.mktemp("reconciled") / "warehouse.duckdb"
    shutil.copyfile(working_copy, path)
    with closing(duckdb.connect(str(path))) as opened:
        opened.execute("set TimeZone = 'UTC'")
        for name in ("gold.attempt_day", "silver.learner_activity"):
            opened.register(name.replace(".", "_"), lake.read(small_lake, name))
        yield opened


def _differences(connection: duckdb.DuckDBPyConnection, test: str) -> int:
    """Rows that a test of dbt's finds; any is a failure of the build."""
    macros = "\n".join((PROJECT / "macros" / f"{name}.sql").read_text(encoding="utf-8") for name in MACROS)
    known = {
        "env_var": lambda name, default="0": DATA_DATE.isoformat() if name == "CAIRN_DATA_DATE" else default,
        "ref": lambda name: f"{'main' if name.startswith('mart_') else 'work'}.{name}",
        "source": lambda layer, table: f"{layer}_{table}",
        "return": lambda value: value,
    }
    text = (PROJECT / "tests" / f"{test}.sql").read_text(encoding="utf-8")
    statement = jinja2.Environment().from_string(macros + text, globals=known).render()
    return len(connection.execute(statement).fetchall())


@pytest.mark.parametrize(
    ("test", "mart", "measure"),
    [
        ("attempts_of_schools_reconcile_to_the_lake", "mart_school_day", "attempts"),
        ("events_of_sources_reconcile_to_the_lake", "mart_intake_attribution", "events"),
    ],
)
def test_one_unit_too_few_or_too_many_is_found(
    test: str, mart: str, measure: str, connection: duckdb.DuckDBPyConnection
) -> None:
    assert _differences(connection, test) == 0
    one = f"rowid = (select min(rowid) from main.{mart})"
    for change in (
        f"delete from main.{mart} where {one}",
        f"update main.{mart} set {measure} = {measure} + 1 where {one}",
        f"update main.{mart} set {measure} = {measure} - 1 where {one}",
        f"update main.{mart} set work_date = work_date + 1 where {one}",
    ):
        connection.execute("begin")
        connection.execute(change)
        assert _differences(connection, test) > 0, change
        connection.execute("rollback")
    assert _differences(connection, test) == 0


def test_every_mart_is_read_by_an_exposure() -> None:
    exposures = yaml.safe_load((MARTS / "exposures.yml").read_text(encoding="utf-8"))["exposures"]
    read = {one.split("'")[1] for exposure in exposures for one in exposure["depends_on"]}
    assert read == set(mart_models())
