"""Answers of a release are kept in memory: whose rows they are, how many are kept, and when they are asked anew."""

from __future__ import annotations

from datetime import date

import duckdb

from answers.pinned_releases import KeptRows, Opened


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
