"""The scan itself: it finds a person in each kind of file that a run writes, however it is spelled."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cairn.settings import Settings
from tests.end_to_end.privacy_scan import People, scan_files

USERS = """sourcedId,username,email,givenName,familyName
u-4711,aquill9,Adelheid.Quill@example.org,Adélheid,Quill
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp("roster")
    (folder / "users.csv").write_text(USERS, encoding="utf-8")
    return People.of_roster(folder)


def _sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table t (given, family, note)")
        database.execute("insert into t values ('Adélheid', 'Quill', null)")


def _parquet(path: Path) -> None:
    pq.write_table(pa.table({"n": [1, 2], "family": ["Stone", "Quill"], "given": ["Ann", "Adélheid"]}), path)


def _parquet_of_octets(path: Path) -> None:
    pq.write_table(pa.table({"value": [json.dumps({"user": "aquill9"}).encode()]}), path)


def _duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as database:
        database.execute("create table t as select 'u-4711' as who")


def _gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(b"said aquill9 twice"))


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write", "kind"),
    [
        ("a.log", _text("GET /x?mail=adelheid.quill%40example.org HTTP/1.1"), "identifier"),
        ("b.json", _text('{"name": "Ad\\u00e9lheid Quill"}'), "name"),
        ("c.html", _text("<td>Quill, Adélheid</td>"), "name"),
        ("e.sqlite", _sqlite, "name"),
        ("f.parquet", _parquet, "name"),
        ("g.parquet", _parquet_of_octets, "identifier"),
        ("h.duckdb", _duckdb, "identifier"),
        ("i.log.gz", _gzip, "identifier"),
        ("student=u-4711.txt", _text("nothing"), "identifier"),
        ("k.txt", _text("a quill and an Adelheid"), ""),
    ],
)
def test_a_person_is_found(
    settings: Settings, people: People, name: str, write: Callable[[Path], object], kind: str
) -> None:
    settings.home.mkdir(parents=True)
    write(settings.home / name)
    findings, files = scan_files(settings, people)
    assert files == 1
    assert findings == ({name: {kind}} if kind else {})


def test_an_unsalted_sum_of_an_address_is_an_identifier(people: People) -> None:
    told = hashlib.sha1(b"mailto:Adelheid.Quill@example.org", usedforsecurity=False).hexdigest()
    assert people.found_in(f'{{"mbox_sha1sum": "{told}"}}') == {"identifier"}
