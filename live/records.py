"""Records of the activity topic as sound events, by the rules with which intake takes them into the lake.

The contract is checked by intake's own function (:mod:`spark_jobs.intake_check`); only the JSON is read here by orjson
in place of Spark's ``from_json``. What is not sound is passed over: intake sets it aside and counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import pyarrow as pa

from cairn import topics
from cairn.evidence.clock import ClockRule
from cairn.keys import event_id
from cairn.mastery import arrow
from cairn.mastery.resolve import EVENT_COLUMNS, SILVER_COLUMNS, VOID, events_of, voids_of
from spark_jobs.intake_check import check
from spark_jobs.intake_parse import event_columns

_INT_LIMITS = {"int": 1 << 31, "bigint": 1 << 63}
_TYPES = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "array<string>": pa.list_(pa.string()),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
}


@dataclass(frozen=True)
class Record:
    """One committed record of the activity topic; ``timestamp_ms`` is the broker's."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Event:
    """One sound event. ``content`` has the columns EVENT_COLUMNS of a scored event; None where it has no outcome.

    ``voids`` is the key of the statement that it takes back, ``voids_event`` the id of the event that came of it; None
    for other kinds.
    """

    event_id: str
    content_hash: str
    partition: int
    offset: int
    subject_key: str
    time_us: int
    received_us: int
    statement_key: int | None
    voids: int | None
    voids_event: str | None
    content: dict[str, Any] | None


class _WrongTypeError(ValueError):
    """A field of another type than the contract's."""


def sound_events(records: Sequence[Record], rule: ClockRule) -> list[Event]:
    """The events of records that keep the contract, in order of partition and offset; of an id the first stands."""
    if not records:
        return []
    checked = check(_table(records), rule)
    checked = checked.filter(pa.compute.is_null(checked["problem"]))
    order = checked.sort_by([("kafka_partition", "ascending"), ("kafka_offset", "ascending")])
    first: dict[str, int] = {}
    for place, name in enumerate(order["event_id"].to_pylist()):
        first.setdefault(name, place)
    return _events(order.take(pa.array(sorted(first.values()), pa.int64()))) if first else []


def _table(records: Sequence[Record]) -> pa.Table:
    """The records as intake's parser would give them to its check."""
    names = [column.name for column in event_columns()]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    is_unreadable = []
    for record in records:
        values = _values(record.value)
        is_unreadable.append(values is None)
        for name in names:
            columns[name].append((values or {}).get(name))
    instants = [datetime.fromtimestamp(max(record.timestamp_ms, 0) / 1000, UTC) for record in records]
    keys = [None if record.key is None else record.key.decode("utf-8", "replace") for record in records]
    return pa.table(
        {
            "kafka_topic": pa.array([topics.ACTIVITY] * len(records)),
            "kafka_partition": pa.array([record.partition for record in records], pa.int32()),
            "kafka_offset": pa.array([record.offset for record in records], pa.int64()),
            "kafka_timestamp": pa.array(instants, pa.timestamp("us", "UTC")),
            "record_key": pa.array(keys, pa.string()),
            "is_unreadable": pa.array(is_unreadable),
            **{column.name: pa.array(columns[column.name], _TYPES[column.type]) for column in event_columns()},
        }
    )


def _values(value: bytes | None) -> dict[str, Any] | None:
    """A record's fields in their types; None where it is no JSON object or a field has another type."""
    try:
        parsed = orjson.loads(value or b"")
        if not isinstance(parsed, dict):
            return None
        return {name: read(parsed[name]) for name, read in _readers().items() if parsed.get(name) is not None}
    except (ValueError, OverflowError):
        return None


@cache
def _readers() -> Mapping[str, Callable[[Any], Any]]:
    return {column.name: _reader(column.type) for column in event_columns()}


def _reader(kind: str) -> Callable[[Any], Any]:
    """Takes a JSON value to the contract's type. Raises ValueError where it is another."""
    if kind in _INT_LIMITS:
        return lambda value: _whole(value, _INT_LIMITS[kind])
    readers: dict[str, Callable[[Any], Any]] = {
        "string": _text,
        "double": lambda value: float(_of(value, int, float)),
        "boolean": lambda value: _of(value, bool),
        "timestamp": _instant,
        "array<string>": lambda value: [None if one is None else _text(one) for one in _of(value, list)],
        "map<string,string>": lambda value: [
            (name, None if one is None else _text(one)) for name, one in _of(value, dict).items()
        ],
    }
    return readers[kind]


def _of(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise _WrongTypeError
    return value


def _whole(value: Any, limit: int) -> int:
    number = int(_of(value, int))
    if not -limit <= number < limit:
        raise _WrongTypeError
    return number


def _text(value: Any) -> str:
    """Text as it is; of any other value its JSON, as Spark's parser gives it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _instant(value: Any) -> datetime:
    instant = datetime.fromisoformat(_of(value, str))
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _events(checked: pa.Table) -> list[Event]:
    silver = checked.select([*SILVER_COLUMNS, "voids_statement_id"])
    contents = {row["event_id"]: row for row in _plain(events_of(silver))}
    voids = {row["event_id"]: row["statement_key"] for row in voids_of(silver).to_pylist()}
    times, received = (arrow.integers(checked[name]) for name in ("event_time", "received_at"))
    names = ("event_id", "content_hash", "kafka_partition", "kafka_offset", "subject_key", "source_id")
    found = []
    for place, row in enumerate(checked.select([*names, "activity_type", "voids_statement_id"]).to_pylist()):
        is_void = row["activity_type"] == VOID and row["event_id"] in voids
        content = None if row["activity_type"] == VOID else contents.get(row["event_id"])
        found.append(
            Event(
                event_id=row["event_id"],
                content_hash=row["content_hash"],
                partition=row["kafka_partition"],
                offset=row["kafka_offset"],
                subject_key=row["subject_key"],
                time_us=int(times[place]),
                received_us=int(received[place]),
                statement_key=content["statement_key"] if content else None,
                voids=voids[row["event_id"]] if is_void else None,
                voids_event=event_id(row["source_id"], row["voids_statement_id"]) if is_void else None,
                content=content,
            )
        )
    return found


def _plain(events: pa.Table) -> list[dict[str, Any]]:
    """Rows that JSON can hold: instants in microseconds, days since 1970."""
    rows = arrow.plain(events)
    for name, kind in (("event_time", pa.int64()), ("work_date", pa.int32())):
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(kind))
    found: list[dict[str, Any]] = rows.select(EVENT_COLUMNS).to_pylist()
    return found
