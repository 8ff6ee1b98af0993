"""A table that is kept open shows what one that is opened anew would."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from lake import newest
from tests.lake.conftest import Place
from tests.lake.receipts import AT, DAYS, TABLE, receipt


def ids(found: pa.Table | None) -> list[str] | None:
    return None if found is None else sorted(found.column("receipt_id").to_pylist())


def test_each_commit_is_seen_by_the_next_read(place: Place) -> None:
    settings = place("kept-open")
    assert lake.read_newest(settings, TABLE) is None, "nothing was written yet"
    lake.create(settings, TABLE)
    assert ids(lake.read_newest(settings, TABLE)) == []
    lake.append(settings, TABLE, [receipt(n) for n in range(6)])
    before = lake.current_version(settings, TABLE)
    writes: list[Callable[[], object]] = [
        lambda: lake.append(settings, TABLE, [receipt(7)]),
        lambda: lake.delete_rows(settings, TABLE, pc.field("receipt_id") == "r001"),
        lambda: lake.compact(settings, TABLE),
        lambda: lake.vacuum(settings, TABLE),
        lambda: lake.restore(settings, TABLE, before),
        lambda: lake.overwrite(settings, TABLE, pa.Table.from_pylist([receipt(9)], lake.file_schema(TABLE))),
    ]
    for write in writes:
        write()
        for filters in (None, pc.field("received_date") == DAYS[1], pc.field("received_at") > AT):
            whole = lake.read(settings, TABLE, filters=filters, partitions=lake.EVERY)
            kept = lake.read_newest(settings, TABLE, filters)
            assert kept is not None and kept.schema == whole.schema
            assert kept.sort_by("receipt_id").equals(whole.sort_by("receipt_id"))
    assert ids(lake.read_newest(settings, TABLE)) == ["r009"]


def test_a_table_that_a_backup_put_in_its_place_is_another(place: Place) -> None:
    """Of the same version and name: only when its commit was written tells them apart."""
    settings, backup = place("restored"), place("backup")
    for where, number in ((settings, 1), (backup, 2)):
        lake.append(where, TABLE, [receipt(number)])
    assert ids(lake.read_newest(settings, TABLE)) == ["r001"]
    assert lake.current_version(settings, TABLE) == lake.current_version(backup, TABLE)
    shutil.rmtree(lake.table_uri(settings, TABLE))
    assert lake.read_newest(settings, TABLE) is None
    shutil.copytree(lake.table_uri(backup, TABLE), lake.table_uri(settings, TABLE))
    assert ids(lake.read_newest(settings, TABLE)) == ["r002"]
    shutil.rmtree(settings.home)
    lake.append(settings, TABLE, [receipt(3)])
    assert ids(lake.read_newest(settings, TABLE)) == ["r003"]


def test_a_commit_that_upkeep_took_away_is_no_reason_to_show_old_rows(place: Place) -> None:
    settings = place("tended")
    lake.append(settings, TABLE, [receipt(1)])
    assert ids(lake.read_newest(settings, TABLE)) == ["r001"]
    lake.append(settings, TABLE, [receipt(2)])
    lake.open_table(settings, TABLE).create_checkpoint()
    for commit in _commits(settings)[:-1]:
        commit.unlink()
    lake.append(settings, TABLE, [receipt(3)])
    assert ids(lake.read_newest(settings, TABLE)) == ["r001", "r002", "r003"]


def _commits(settings: Settings) -> list[Path]:
    return sorted((Path(lake.table_uri(settings, TABLE)) / "_delta_log").glob("*.json"))


def test_it_is_opened_once_for_each_commit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, opened, whole = place("counted"), [], newest.open_table

    def counted(*given: Any) -> DeltaTable:
        opened.append(1)
        return whole(*given)

    monkeypatch.setattr(newest, "open_table", counted)
    lake.append(settings, TABLE, [receipt(1)])
    assert [ids(lake.read_newest(settings, TABLE)) for _ in range(5)] == [["r001"]] * 5
    first = len(opened)
    lake.append(settings, TABLE, [receipt(2)])
    assert [ids(lake.read_newest(settings, TABLE)) for _ in range(5)] == [["r001", "r002"]] * 5
    assert first > 0 and len(opened) == 2 * first


@pytest.mark.parametrize("opening", [1, 2])
def test_a_backup_put_in_its_place_while_it_is_opened(
    place: Place, monkeypatch: pytest.MonkeyPatch, opening: int
) -> None:
    """Before the first opening is over, or the second has begun: no list of files stays that is not the table's."""
    settings, backup, opened = place(f"swapped-{opening}"), place(f"swapped-by-{opening}"), []
    for where, number in ((settings, 1), (backup, 2)):
        lake.append(where, TABLE, [receipt(number)])
    first, second = newest.open_table, newest.dataset

    def swap(at: int) -> None:
        opened.append(at)
        if at == opening and opened.count(at) == 1:
            shutil.rmtree(lake.table_uri(settings, TABLE))
            shutil.copytree(lake.table_uri(backup, TABLE), lake.table_uri(settings, TABLE))

    def swapped_after(*given: Any) -> DeltaTable:
        found = first(*given)
        swap(1)
        return found

    def swapped_before(*given: Any, **named: Any) -> Any:
        swap(2)
        return second(*given, **named)

    monkeypatch.setattr(newest, "open_table", swapped_after)
    monkeypatch.setattr(newest, "dataset", swapped_before)
    assert [ids(lake.read_newest(settings, TABLE)) for _ in range(3)] == [["r002"]] * 3


def test_a_big_table_is_not_read_whole(place: Place) -> None:
    with pytest.raises(CairnError, match=r"silver\.evidence is too big to be read whole"):
        lake.read_newest(place("big"), "silver.evidence")


def test_few_tables_are_kept(place: Place) -> None:
    for number in range(newest.MOST + 3):
        settings = place(f"one-of-many-{number}")
        lake.append(settings, TABLE, [receipt(number)])
        assert ids(lake.read_newest(settings, TABLE)) == [f"r{number:03d}"]
    assert len(newest._KEPT) == newest.MOST
