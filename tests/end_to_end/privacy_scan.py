"""Looks for people in everything a run wrote: Kafka, lake, warehouse files, logs, Data Docs, mails.

Only the vault, the sealed originals and the feed files may identify anybody; the roster that was loaded is the
list of what must not be found.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cairn.settings import Settings

TOKEN = re.compile(r"[A-Za-z0-9_.@+-]+")
# What may identify people: the vault itself, sealed originals, feeds, senders' own files.
ALLOWED = ("vault", "keys", "sealed", "feeds", "senders", "simulated", "replays")
BINARY = {".parquet", ".duckdb", ".crc", ".sqlite", ".db", ".snapshot", ".index", ".timeindex", ".sst", ".log.gz"}


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
                if row.get("givenName") and row.get("familyName"):
                    people.names.add((row["givenName"].lower(), row["familyName"].lower()))
        return people

    def found_in(self, text: str) -> set[str]:
        """What of these people stands in the text, as kinds of finding (never the value itself)."""
        words = [word.lower().strip(".-") for word in TOKEN.findall(text)]
        found = {"identifier" for word in words if word in self.tokens}
        pairs = list(pairwise(words))
        if any(pair in self.names or pair[::-1] in self.names for pair in pairs):
            found.add("name")
        return found


def _strings_of_parquet(path: Path) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_nested(column.type):
            for value in column.unique() if pa.types.is_string(column.type) else column:
                if value.is_valid:
                    yield str(value.as_py())


def _strings_of_duckdb(path: Path) -> Iterator[str]:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name from information_schema.columns where data_type ilike '%varchar%'"
        ).fetchall()
        for table, column in columns:
            for (value,) in connection.execute(f'select distinct "{column}"::varchar from "{table}"').fetchall():
                if value:
                    yield value


def _strings_of_file(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet":
        yield from _strings_of_parquet(path)
    elif path.suffix == ".duckdb":
        yield from _strings_of_duckdb(path)
    elif path.suffix == ".gz":
        with gzip.open(path, "rt", errors="replace") as file:
            yield from file
    else:
        # Text, and binary files for what stands in them in clear.
        yield from path.read_bytes().decode("utf-8", errors="replace").splitlines()


def scan_files(settings: Settings, people: People, more_allowed: Iterable[str] = ()) -> tuple[dict[str, set[str]], int]:
    """Findings per file (path within home) and how many files were read."""
    allowed = {*ALLOWED, *more_allowed}
    findings: dict[str, set[str]] = {}
    files = 0
    for path in sorted(settings.home.rglob("*")):
        relative = path.relative_to(settings.home)
        if relative.parts[0] in allowed or not path.is_file() or path.is_symlink():
            continue
        files += 1
        found: set[str] = set()
        for text in _strings_of_file(path):
            found |= people.found_in(text)
        if found:
            findings[str(relative)] = found
    return findings, files


def scan_topics(settings: Settings, people: People) -> tuple[dict[str, set[str]], int]:
    """Findings per topic and how many records were read, keys, values and headers included."""
    from kafka import KafkaConsumer
    from kafka.structs import TopicPartition

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
