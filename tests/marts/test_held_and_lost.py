"""What a real build shows where a school is held back, where silver has lost a row, and where a night runs late."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from starlette.testclient import TestClient

import lake
from answers import accounts
from answers.school_trust import release_age, verdict
from cairn.settings import Settings
from portal.app import create_app
from releases import books, holding, learning, store
from spark_jobs.intake_ledger import ledger
from tests.marts.small_roster import DATA_DATE, at, day, put
from tests.portal.conftest import PASSWORD, submit

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(600)]
BOOKS = "received_date, source_id, org_id, received, accepted, duplicate, conflict, rejected, quarantined, unexplained"


def test_district_table_counts_no_rows_of_a_held_school(
    release: store.Release, built_copy: Path, tmp_path: Path
) -> None:
    """Of five enrolled pupils one has mastered alpha: South held back without a yesterday, one of North's three."""
    built = tmp_path / "release" / learning.BUILT
    shutil.copytree(built_copy.parent, built.parent)
    statement = built.parent / holding.RECOMPUTED / "mart_district_competency.sql"
    text = statement.read_text()
    assert text.count("cast(10 as integer)") == 1, "the district's n_min"
    statement.write_text(text.replace("cast(10 as integer)", "cast(1 as integer)"))
    found = {}
    for held in ({}, {"s-south": "a gate failed"}, {"s-south": "a gate failed", "s-north": "a gate failed"}):
        path = tmp_path / f"{len(held)} held" / "warehouse.duckdb"
        path.parent.mkdir()
        holding.compose(built, path, held or {"s-elsewhere": "to have it counted anew"}, None)
        with duckdb.connect(str(path), read_only=True) as connection:
            found[len(held)] = connection.execute(
                "select competency_id, pupils, mastered_pct_protected from mart_district_competency order by 1"
            ).fetchall()
    assert found == {
        0: [("k-alpha", 5, "<=20"), ("k-beta", 5, "<=20"), ("k-gamma", 5, "<=20"), ("k-omega", 5, "<=20")],
        1: [("k-alpha", 3, "33"), ("k-beta", 3, "<=20"), ("k-gamma", 3, "<=20"), ("k-omega", 3, "<=20")],
        2: [],
    }


def test_lost_row_of_silver_turns_the_books_red(small_lake: Settings, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    shutil.copytree(small_lake.lake, settings.lake)
    uri = lake.table_uri(settings, "silver.learner_activity")
    rows = DeltaTable(uri).to_pyarrow_table()
    kept = rows.filter(pc.not_equal(rows["event_id"], "ev1"))
    assert kept.num_rows == rows.num_rows - 1
    write_deltalake(uri, kept, mode="overwrite")

    built = learning.build(settings, DATA_DATE, as_of=datetime(2026, 10, 15, 8, tzinfo=UTC))
    with duckdb.connect(str(built.path.with_name(learning.BUILT)), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        cursor = connection.execute("select * from mart_school_trust where school_id = 's-north'")
        trust = dict(zip([name for (name, *_) in cursor.description or ()], cursor.fetchall()[0], strict=True))
        books = connection.execute(f"select {BOOKS} from mart_intake_ledger order by all").fetchall()
    assert (trust["received"], trust["accepted"], trust["unexplained"]) == (4, 1, 1)
    said = verdict(trust, None, release_age(DATA_DATE, DATA_DATE), settings.zone)
    assert (said.level, said.lines[0].level) == ("bad", "bad")
    assert "1 of 4 statements unexplained" in said.lines[0].text
    assert books == sorted(tuple(row[name] for name in BOOKS.split(", ")) for row in ledger(settings)), (
        "the release's books and the lake's are counted alike"
    )


def test_a_lost_row_of_a_mart_is_named_by_the_books_and_on_the_page(
    small_lake: Settings, release: store.Release, tmp_path: Path
) -> None:
    assert books.mart_breaks(small_lake) == []
    settings = Settings(home=tmp_path / "home", portal_hosts=["portal.example"])
    shutil.copytree(small_lake.home, settings.home)
    [lost] = [row for row in ledger(settings) if (row["org_id"], row["received_date"]) == ("s-north", DATA_DATE)]
    standing = store.current(settings, "learning")
    assert standing is not None
    with duckdb.connect(str(standing.path)) as connection:
        gone = "delete from mart_intake_ledger where org_id = 's-north' and received_date = ?"
        assert connection.execute(gone, [DATA_DATE]).fetchall() == [(1,)]
    found = books.mart_breaks(settings)
    scope = (DATA_DATE, lost["source_id"], "s-north")
    assert [(one.hop, one.received_date, one.source_id, one.org_id, one.statements) for one in found] == [
        ("silver to mart", *scope, lost["received"]),
        ("mart to page", DATA_DATE, "all sources", "s-north", -lost["received"]),
    ]
    assert books.mart_breaks(settings, known={scope})[0].hop == "mart to page"
    accounts.add_account(settings, "engineer", "engineer", None, PASSWORD)
    with TestClient(create_app(settings), base_url="http://portal.example") as client:
        submit(client, "/login", "/login", name="engineer", password=PASSWORD)
        page = client.get("/operations").text
    assert "2 hops out of balance" in page
    assert f"silver to mart: {DATA_DATE} {lost['source_id']} s-north: {lost['received']} missing" in page


def test_what_a_late_night_counted_is_not_counted_again(
    small_lake: Settings, release: store.Release, tmp_path: Path
) -> None:
    """Seven statements of the 15th came in before the night of the 14th read the lake, so late did it run; three after:
    the night of the 15th has the three."""
    settings = Settings(home=tmp_path / "home")
    shutil.copytree(small_lake.home, settings.home)
    assert release.read_at is not None
    for batch, statements, seconds in ((1, 7, -1), (2, 3, 1)):
        same = {"intake_app_id": "app", "batch_id": batch}
        put(settings, "ops.intake_batch", [{**same, "written_at": release.read_at + timedelta(seconds=seconds)}])
        receipt = {"receipt_id": f"late-{batch}", "source_id": "mathapp", "statements_received": statements}
        when = {"received_at": at("10-15 16:00"), "received_date": day("10-15")}
        put(settings, "bronze.receipts", [{**same, **receipt, **when, "org_id": "s-north"}])
    built = learning.build(settings, DATA_DATE + timedelta(days=1), as_of=datetime.now(UTC))
    with duckdb.connect(str(built.path.with_name(learning.BUILT)), read_only=True) as connection:
        received = "select received from mart_school_trust where school_id = 's-north'"
        assert connection.execute(received).fetchall() == [(3,)]
