"""Statistics never hide a row; writers at once lose nothing and write nothing twice; versions and what came between."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import lake
from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from tests.lake.conftest import Place
from tests.lake.receipts import AT, DAYS, TABLE, receipt

ALIGNMENT = "silver.item_alignment"
# Texts whose order by bytes, by code points and by UTF-16 differ, and longer ones than statistics keep.
TEXTS = st.text(max_size=6) | st.sampled_from(
    ["", "\uffff", "\U0001f600", "é", "x" * 80, "x" * 80 + "y", "a\x1fb", "\x00"]
)
# Not infinite: JSON has no such number, and deltalake takes a column without statistics for one without values.
NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=False)
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda instant: instant.replace(tzinfo=UTC))
NEARBY = st.integers(-2000, 2000).map(lambda microseconds: AT + timedelta(microseconds=microseconds))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "item_id": TEXTS,
            "competency_id": st.none() | TEXTS,
            "difficulty": NUMBERS,
            "recorded_from": INSTANTS | NEARBY,
        }
    ),
    min_size=1,
    max_size=8,
)


def conditions(row: dict[str, Any]) -> list[Any]:
    """Filters that a value of the row is at the edge of."""
    found = []
    for column in ("item_id", "competency_id", "difficulty", "recorded_from"):
        field, kind = pc.field(column), lake.file_schema(ALIGNMENT).field(column).type
        value = pa.scalar(row[column], kind)
        if row[column] is None:
            found.append(field.is_null())
        else:
            found += [field == value, field >= value, field <= value, field > value, field.is_valid()]
    return found


def keyed(table: pa.Table) -> list[str]:
    return sorted(map(str, table.to_pylist()))


@hypothesis_settings(max_examples=10, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_statistics_never_hide_a_row(files: list[list[dict[str, Any]]]) -> None:
    """Neither those in the footers, which we read by, nor those in the log, which Delta's own readers skip by."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        for rows in files:
            lake.append(settings, ALIGNMENT, pa.Table.from_pylist(rows, lake.file_schema(ALIGNMENT)))
        whole = lake.read(settings, ALIGNMENT)
        by_log = DeltaTable(lake.table_uri(settings, ALIGNMENT)).to_pyarrow_dataset()
        # A file whose only numbers are NaN has no statistics of them, which deltalake takes for a file without values.
        has_nan = any(row["difficulty"] is not None and math.isnan(row["difficulty"]) for rows in files for row in rows)
        for condition in (one for rows in files for row in rows for one in conditions(row)):
            expected = keyed(whole.filter(condition))
            assert keyed(lake.read(settings, ALIGNMENT, filters=condition)) == expected
            if not has_nan:
                assert keyed(by_log.to_table(columns=whole.column_names, filter=condition)) == expected


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3), st.lists(TEXTS, max_size=3))
def test_rows_by_their_text_are_those_of_a_whole_read(files: list[list[dict[str, Any]]], asked: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        written = []
        for rows in files:
            table = pa.Table.from_pylist(sorted(rows, key=lambda row: row["item_id"]), lake.file_schema(ALIGNMENT))
            written.append(lake.write_file(settings, ALIGNMENT, table, layout=lake.Layout(row_group_rows=2)))
        wanted = pa.array([*asked, files[0][0]["item_id"]], pa.string())
        columns = ["competency_id", "recorded_from"]
        found = lake.read_named(settings, ALIGNMENT, written, "item_id", wanted, columns, ["competency_id"])
        whole = lake.read_files(settings, ALIGNMENT, written, [*columns, "item_id"])
        expected = whole.filter(pc.is_in(whole["item_id"], value_set=wanted)).select(columns)
        assert keyed(found) == keyed(expected)
        portions = [one for file in written for one in lake.read_portions(settings, ALIGNMENT, file, columns)]
        assert keyed(pa.concat_tables(portions)) == keyed(whole.select(columns))
        for file in written:
            own = lake.read_files(settings, ALIGNMENT, [file], columns)
            for places in (np.arange(0), np.arange(0, own.num_rows, 2), np.arange(own.num_rows)):
                rows = lake.read_rows(settings, ALIGNMENT, file, places, columns, ["competency_id"])
                assert rows.to_pylist() == own.take(pa.array(places)).to_pylist()


def test_statistics_are_there_and_are_exact(place: Place) -> None:
    settings = place("statistics")
    lake.append(settings, TABLE, [receipt(n) for n in range(0, 8, 2)])
    (row,) = pa.table(DeltaTable(lake.table_uri(settings, TABLE)).get_add_actions(flatten=True)).to_pylist()
    assert (row["num_records"], row["min.receipt_id"], row["max.receipt_id"]) == (4, "r000", "r006")
    assert (row["min.statements_received"], row["max.statements_received"], row["null_count.org_id"]) == (0, 6, 0)
    assert row["min.received_at"] <= AT < AT + timedelta(microseconds=6) <= row["max.received_at"]


def at_once(settings: Settings, code: str, processes: int) -> list[str]:
    """What processes print that run the code at the same time; ``n`` is which of them one is."""
    begin = (
        "import sys, lake; from cairn.settings import Settings; from tests.lake.receipts import TABLE, receipt; "
        f"import pyarrow as pa; from pathlib import Path; settings = Settings(home=Path({str(settings.home)!r})); "
        "n = int(sys.argv[1]); sys.stdin.readline()\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", begin + code, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(processes)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * processes
    return said


def test_two_processes_that_append_at_once_lose_nothing(settings: Settings) -> None:
    code = "for i in range(8): lake.append(settings, TABLE, [receipt(1, receipt_id=f'{n}-{i}')])"
    at_once(settings, code, 2)
    ids = lake.read(settings, TABLE, ["receipt_id"])["receipt_id"].to_pylist()
    assert sorted(ids) == sorted(f"{n}-{i}" for n in range(2) for i in range(8))


def test_two_processes_under_one_application_id_write_once(settings: Settings) -> None:
    code = (
        "rows = pa.Table.from_pylist([receipt(1)], lake.file_schema(TABLE))\n"
        "print(sum(lake.append_once(settings, TABLE, rows, ('intake', version)) for version in range(6)))"
    )
    said = [int(text) for text in at_once(settings, code, 2)]
    assert sum(said) == 6
    assert lake.count_rows(settings, TABLE) == 6


def test_files_that_came_are_told_across_a_compaction(place: Place) -> None:
    settings = place("added")
    lake.append(settings, TABLE, [receipt(0)])
    first = lake.current_version(settings, TABLE)
    lake.append(settings, TABLE, [receipt(2)])
    lake.append(settings, TABLE, [receipt(4)])
    came = {file.path for file in lake.table_files(settings, TABLE)}
    assert lake.compact(settings, TABLE) == 3
    added = lake.files_added(settings, TABLE, first, lake.current_version(settings, TABLE))
    assert added is not None
    assert added.is_append_only
    assert len(added.files) == 2
    assert set(added.files) < came
    lake.delete_rows(settings, TABLE, pc.field("receipt_id") == "r002")
    after = lake.files_added(settings, TABLE, first, lake.current_version(settings, TABLE))
    assert after is not None
    assert not after.is_append_only


def test_restore_takes_back_what_came_since(place: Place) -> None:
    settings = place("restore")
    lake.append(settings, TABLE, [receipt(0)])
    version = lake.current_version(settings, TABLE)
    lake.append(settings, TABLE, [receipt(1)])
    assert lake.read(settings, TABLE, ["receipt_id"], version=version).num_rows == 1
    lake.restore(settings, TABLE, version)
    assert lake.read(settings, TABLE, ["receipt_id"])["receipt_id"].to_pylist() == ["r000"]
    lake.append(settings, TABLE, [receipt(2)])
    assert sorted(lake.read(settings, TABLE, ["receipt_id"])["receipt_id"].to_pylist()) == ["r000", "r002"]


def test_a_big_table_is_not_read_without_its_partitions(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = place("partitions")
    lake.append(settings, TABLE, [receipt(n) for n in range(6)])
    big = dataclasses.replace(load_contract(TABLE), needs_partition_filter=True)
    # By the module: the package shows the function of the same name.
    monkeypatch.setattr(sys.modules["lake.dataset"], "load_contract", lambda name: big)
    with pytest.raises(CairnError, match=r"bronze\.receipts is read by its partitions \(received_date\)"):
        lake.read(settings, TABLE, ["receipt_id"])
    assert lake.read(settings, TABLE, ["receipt_id"], partitions={"received_date": [DAYS[0]]}).num_rows == 3
    assert lake.read(settings, TABLE, ["receipt_id"], partitions=lake.EVERY).num_rows == 6


def test_rows_outside_the_partition_that_they_replace_are_refused(place: Place) -> None:
    settings = place("outside")
    rows = pa.Table.from_pylist([receipt(0), receipt(1)], lake.file_schema(TABLE))
    with pytest.raises(CairnError, match="rows lie outside the partition received_date = 2026-10-14"):
        lake.replace_partitions(settings, TABLE, rows, [("received_date", "=", DAYS[0])])


def test_rows_to_replace_are_looked_for_among_some_only(place: Place) -> None:
    settings = place("among")
    lake.append(settings, TABLE, [receipt(0, org_id="past"), receipt(2)])
    lake.append(settings, TABLE, [receipt(4, org_id="past"), receipt(6, org_id="past")])
    past = lake.table_files(settings, TABLE)
    rows = pa.Table.from_pylist([receipt(n, org_id="new") for n in (0, 2)], lake.file_schema(TABLE))
    is_present = pc.field("org_id") != "past"
    assert lake.replace_rows(settings, TABLE, rows, ["receipt_id"], among=is_present) == 1
    found = lake.read(settings, TABLE, ["receipt_id", "org_id"]).to_pylist()
    assert sorted((row["receipt_id"], row["org_id"]) for row in found) == [
        ("r000", "new"),
        ("r000", "past"),
        ("r002", "new"),
        ("r004", "past"),
        ("r006", "past"),
    ]
    assert len({file.path for file in past} & {file.path for file in lake.table_files(settings, TABLE)}) == 1
