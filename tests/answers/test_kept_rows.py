"""Answers of a release are kept in memory: whose rows they are, how many are kept, and when they are asked anew."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date

import duckdb
import pytest

from answers.pinned_releases import KeptRows, Opened, Reader
from cairn.settings import Settings
from releases import store
from tests.portal.fixture_release import publish_fixture


def opened(kept: KeptRows, release_id: str = "learning-2026-10-14-1", erasures: int = 0) -> Opened:
    connection = duckdb.connect()
    connection.execute("create table t as select range as n, 'a' as word from range(5)")
    return Opened(release_id, date(2026, 10, 14), connection, {}, kept, erasures)


def test_rows_asked_again_are_the_same_and_the_callers_own() -> None:
    release = opened(KeptRows())
    first = release.rows("select * from t where n < ?", [2])
    first[0]["word"] = "changed by the page"
    release.connection.execute("drop table t")
    assert release.rows("select * from t where n < ?", [2]) == [{"n": 0, "word": "a"}, {"n": 1, "word": "a"}]


def test_another_release_parameter_or_erasure_is_asked_anew() -> None:
    kept = KeptRows()
    opened(kept).rows("select * from t where n = ?", [1])
    for other in (opened(kept, "learning-2026-10-15-1"), opened(kept, erasures=1)):
        other.connection.execute("update t set word = 'b'")
        assert other.rows("select * from t where n = ?", [1]) == [{"n": 1, "word": "b"}]
        assert other.rows("select * from t where n = ?", [2]) == [{"n": 2, "word": "b"}]


def test_what_is_kept_has_a_bound_and_a_long_answer_is_not_kept() -> None:
    kept = KeptRows(most_values=30)
    release = opened(kept)
    for n in range(40):
        release.rows("select * from t where n = ?", [n % 5 if n < 39 else 0])
        release.rows("select n from t where n > ?", [-n])
    assert kept.values <= 30
    before = kept.values
    release.rows("select * from t")
    assert kept.values == before


def test_a_release_that_somebody_was_erased_from_is_opened_anew(settings: Settings) -> None:
    publish_fixture(settings)
    reader, release = Reader(settings), store.current(settings, "learning")
    assert release is not None
    query = "select count(*) as n from mart_student_competency"
    before = reader.current("learning")
    assert before is not None and before.rows(query)[0]["n"] > 0
    del before
    made = release.path.with_suffix(".made")
    shutil.copyfile(release.path, made)
    with duckdb.connect(str(made)) as connection:
        connection.execute("delete from mart_student_competency")
    made.replace(release.path)
    store.save(replace(release, erased=[{"erasure_id": "e1", "erased_at": "2026-10-16T00:00:00+00:00"}]))
    after = reader.current("learning")
    assert after is not None and after.rows(query) == [{"n": 0}]


def test_times_are_utc_whatever_zone_the_machine_has(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Chicago")
    publish_fixture(settings)
    release = Reader(settings).current("learning")
    assert release is not None
    assert release.rows("select current_setting('TimeZone') as zone") == [{"zone": "UTC"}]
