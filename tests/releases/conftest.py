"""Small release files made by hand: what a swap, a hold and a comparison need, without dbt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from cairn.settings import Settings
from releases import store

MARTS = """
create table mart_school (school_id varchar, school_name varchar, is_held_back boolean, held_reason varchar);
create table mart_school_trust (school_id varchar, data_date date, is_held_back boolean);
create table mart_needs_adult (
    school_id varchar, student_key varchar, competency_id varchar, reason varchar, detail varchar
);
create table mart_gate_result (
    gate varchar, rule_id varchar, scope_type varchar, scope_id varchar, severity varchar, is_passed boolean,
    message varchar, data_date date
);
insert into mart_school values ('s1', 'One', false, null), ('s2', 'Two', false, null);
"""
Rows = list[tuple[Any, ...]]


@pytest.fixture
def make_release(settings: Settings) -> Callable[..., store.Release]:
    """``make_release(day, needs)``: an unpublished release of the day whose mart_needs_adult has the rows."""

    def make(day: date, needs: Rows) -> store.Release:
        folder = store.new_folder(settings, "learning", day)
        path = folder / "warehouse.duckdb"
        connection = duckdb.connect(str(path))
        connection.execute(MARTS)
        connection.execute("insert into mart_school_trust select school_id, ?, false from mart_school", [day])
        for row in needs:
            connection.execute("insert into mart_needs_adult values (?, ?, ?, ?, ?)", row)
        connection.close()
        release = store.Release(
            release_id=folder.name, kind="learning", data_date=day, built_at=datetime.now(UTC), path=path
        )
        store.save(release)
        return release

    return make
