"""Looks for people in everything a run wrote: Kafka, lake, warehouse, SQLite files, logs, reports, mails, file names.

Only the vault, the sealed originals and the feed files may identify anybody; the roster that was loaded is the
list of what must not be found. It is looked for as people and programs write it: percent-encoded as in an address,
escaped as in JSON, a name in two columns of one row, an address as the unsalted sum that xAPI knows.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, permutations
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from cairn.settings import Settings

TOKEN = re.compile(r"[\w.@+-]+")
ENCODED = re.compile(r"%[0-9a-fA-F]{2}")
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
# What may identify people: the vault itself, sealed originals, feeds, senders' own files.
ALLOWED = ("vault", "keys", "sealed", "feeds", "senders", "simulated", "replays")
SQLITE_MAGIC = b"SQLite format 3\0"


@dataclass
class People:
    """What identifies the people of a roster: single tokens, and names as two words that follow each other."""

    tokens: set[str] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of_roster(cls, folder: Path) -> People:
        """Read users.csv of a OneRoster folder."""
        people = cls()
        with (folder / "users.csv").open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                for column in ("sourcedId", "username", "email", "identifier", "userMasterIdentifier"):
                    if row.get(column):
                        people.tokens.add(row[column].lower())
                if row.get("email"):
                    for spelled in {row["email"], row["email"].lower()}:
                        sum_of = hashlib.sha1(f"mailto:{spelled}".encode(), usedforsecurity=False)
                        people.tokens.add(sum_of.hexdigest())
                if row.get("givenName") and row.get("familyName"):
                    people.names.add((row["givenName"].lower(), row["familyName"].lower()))
        return people

    @cached_property
    def parts(self) -> tuple[set[str], set[str]]:
        """Given names and family names."""
        return {given for given, _ in self.names}, {family for _, family in self.names}

    def found_in(self, text: str) -> set[str]:
        """What of these people stands in the text, as kinds of finding (never the value itself)."""
        found = self._found_in(text)
        if ENCODED.search(text):
            found |= self._found_in(unquote(text))
        if ESCAPED.search(text):
            found |= self._found_in(ESCAPED.sub(lambda match: chr(int(match[1], 16)), text))
        return found

    def _found_in(self, text: str) -> set[str]:
        words = TOKEN.findall(text.lower())
        distinct = {word: word.strip(".-") for word in set(words)}
        plain = set(distinct.values())
        found = set() if self.tokens.isdisjoint(plain) else {"identifier"}
        given, family = self.parts
        if not given.isdisjoint(plain) and not family.isdisjoint(plain):
            pairs = {(distinct[one], distinct[other]) for one, other in pairwise(words)}
            if any(pair in pairs or pair[::-1] in pairs for pair in self.names):
                found.add("name")
        return found

    def found_in_columns(self, columns: Sequence[Sequence[object]]) -> set[str]:
        """``name`` where a given and a family name stand in two columns of one row, whichever they are."""
        given, family = self.parts
        texts = [[str(value).lower() if value is not None else "" for value in column] for column in columns]
        held = [set(column) for column in texts]
        for one, other in permutations(range(len(texts)), 2):
            if held[one].isdisjoint(given) or held[other].isdisjoint(family):
                continue
            if not self.names.isdisjoint(zip(texts[one], texts[other], strict=True)):
                return {"name"}
        return set()


def _of_table(people: People, names: Sequence[str], columns: Sequence[Sequence[object]]) -> set[str]:
    """Findings of a table's columns of text: value by value, and names over two of them."""
    found = people.found_in(" ".join(names)) | people.found_in_columns(columns)
    for column in columns:
        for value in {_text(value) for value in column if value is not None}:
            found |= people.found_in(value)
    return found


def _text(value: object) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_text(kind.value_type)
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_nested)
    octets = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(is_kind(kind) for is_kind in (*text, *octets))


def _of_parquet(people: People, path: Path) -> set[str]:
    table = pq.read_table(path, partitioning=None)
    names = [field.name for field in table.schema if _has_text(field.type)]
    return _of_table(people, names, [table.column(name).to_pylist() for name in names])


def _of_duckdb(people: People, path: Path) -> set[str]:
    found: set[str] = set()
    with duckdb.connect(str(path), read_only=True) as connection:
        # A view has nothing of its own: what it reads is read where it lies.
        query = """
            select format('"{}"."{}"', table_schema, table_name), column_name
            from information_schema.columns
            join information_schema.tables using (table_catalog, table_schema, table_name)
            where table_type = 'BASE TABLE' and regexp_matches(data_type, '(?i)varchar|blob|json|struct|map')
        """
        by_table: dict[str, list[str]] = {}
        for table, column in connection.execute(query).fetchall():
            by_table.setdefault(table, []).append(column)
        for table, names in by_table.items():
            asked = ", ".join(f'"{name}"::varchar' for name in names)
            rows = connection.execute(f"select distinct {asked} from {table}").fetchall()
            found |= _of_table(people, names, list(zip(*rows, strict=True)))
    return found


def _of_sqlite(people: People, path: Path) -> set[str]:
    """Rows as a reader has them, what waits in the journal too; free pages are read with the file's octets."""
    found: set[str] = set()
    with closing(sqlite3.connect(path, timeout=30)) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            cursor = database.execute(f'select * from "{table}"')
            names = [column[0] for column in cursor.description]
            found |= _of_table(people, names, list(zip(*cursor.fetchall(), strict=True)))
    return found


def _of_octets(people: People, path: Path) -> set[str]:
    """Text, and binary files for what stands in them in clear."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    # The broker's indexes are made ten MiB long, of nothing.
    content = content.rstrip(b"\0")
    return people.found_in(content.decode("utf-8", errors="replace"))


def _of_file(people: People, path: Path) -> set[str]:
    if path.suffix == ".parquet":
        return _of_parquet(people, path)
    if path.suffix == ".duckdb":
        return _of_duckdb(people, path)
    with path.open("rb") as file:
        is_sqlite = file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    return _of_octets(people, path) | (_of_sqlite(people, path) if is_sqlite else set())


def scan_files(settings: Settings, people: People, more_allowed: Iterable[str] = ()) -> tuple[dict[str, set[str]], int]:
    """Findings per file (path within home), its name among them, and how many files were read."""
    allowed = {*ALLOWED, *more_allowed}
    findings: dict[str, set[str]] = {}
    files = 0
    for path in sorted(settings.home.rglob("*")):
        relative = path.relative_to(settings.home)
        if relative.parts[0] in allowed or not path.is_file() or path.is_symlink():
            continue
        files += 1
        name = f"{relative} {path.stem}".replace("=", " ")
        if found := people.found_in(name) | _of_file(people, path):
            findings[str(relative)] = found
    return findings, files


def scan_topics(settings: Settings, people: People) -> tuple[dict[str, set[str]], int]:
    """Findings per topic and how many records were read, keys, values and headers included."""
    findings: dict[str, set[str]] = {}
    records = 0
    consumer = KafkaConsumer(bootstrap_servers=settings.address("broker"), enable_auto_commit=False)
    try:
        for topic in sorted(name for name in consumer.topics() if not name.startswith("__")):
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(partitions)
            while any(consumer.position(partition) < ends[partition] for partition in partitions):
                for batch in consumer.poll(timeout_ms=1000).values():
                    for record in batch:
                        records += 1
                        parts = [record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers)]
                        text = " ".join(part.decode("utf-8", errors="replace") for part in parts)
                        if found := people.found_in(text):
                            findings.setdefault(topic, set()).update(found)
    finally:
        consumer.close()
    return findings, records
