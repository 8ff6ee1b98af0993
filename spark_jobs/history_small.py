"""Applying a snapshot in this process, by Arrow: for tables of up to a million rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

import lake
from cairn.contracts import Contract, load_contract
from cairn.settings import Settings
from spark_jobs.history_model import Change, Snapshot, keys_of, payload_of, refuse_older

Row = dict[str, Any]
Key = tuple[Any, ...]


def apply_small(settings: Settings, snapshot: Snapshot, instant: datetime) -> Change:
    """Apply one snapshot, known from ``instant``. Raises CairnError where the table knows something as new."""
    contract = load_contract(snapshot.table)
    keys = keys_of(contract)
    incoming = {_key(row, keys): row for row in _typed(contract, snapshot.rows)}
    current = {_key(row, keys): row for row in _current(settings, contract)}
    added, changed = _compare(contract, incoming, current)
    ended = _ended(snapshot, incoming, current)
    closing = [current[key] for key in (*changed, *ended)]
    refuse_older(contract.name, max((row["recorded_from"] for row in closing), default=None), instant)
    opening = [{**incoming[key], "recorded_from": instant, "recorded_to": None} for key in (*added, *changed)]
    opening += [
        {**current[key], "valid_to_date": snapshot.ends_on, "recorded_from": instant}
        for key in ended
        if _has_begun(snapshot, current[key])
    ]
    _write(settings, contract, [{**row, "recorded_to": instant} for row in closing], opening)
    return Change(len(added), len(changed), len(ended))


def _key(row: Mapping[str, Any], keys: Sequence[str]) -> Key:
    return tuple(row[key] for key in keys)


def _typed(contract: Contract, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows in the contract's types, as what is stored has them. Raises pyarrow.ArrowInvalid where one does not fit."""

    return list(pa.Table.from_pylist([dict(row) for row in rows], schema=lake.file_schema(contract.name)).to_pylist())


def _current(settings: Settings, contract: Contract) -> list[Row]:
    """Current versions; a key has one."""
    import pyarrow.dataset as ds

    return list(lake.read(settings, contract.name, filters=ds.field("recorded_to").is_null()).to_pylist())


def _compare(
    contract: Contract, incoming: Mapping[Key, Row], current: Mapping[Key, Row]
) -> tuple[list[Key], list[Key]]:
    """Keys that are new, and keys that say something else than before."""
    payload = payload_of(contract)
    added, changed = [], []
    for key, row in incoming.items():
        before = current.get(key)
        if before is None:
            added.append(key)
        elif any(row[name] != before[name] for name in payload):
            changed.append(key)
    return added, changed


def _ended(snapshot: Snapshot, incoming: Mapping[Key, Row], current: Mapping[Key, Row]) -> list[Key]:
    """Current keys that are named as ended, or that a bulk snapshot does not name."""
    named, kept = set(snapshot.ended_ids), set(snapshot.kept_ids)
    ended = []
    for key, row in current.items():
        if key in incoming or (key[0] in kept and key[0] not in named):
            continue
        is_unnamed = snapshot.is_bulk and all(row[column] == value for column, value in snapshot.scope.items())
        until = row["valid_to_date"] if snapshot.ends_on else None
        is_over = until is not None and snapshot.ends_on is not None and until <= snapshot.ends_on
        if (key[0] in named or is_unnamed) and not is_over:
            ended.append(key)
    return ended


def _has_begun(snapshot: Snapshot, row: Row) -> bool:
    """Whether an ended row was true on some day; one that never began ends without a trace in the world."""
    if snapshot.ends_on is None:
        return False
    return row["valid_from_date"] is None or bool(row["valid_from_date"] <= snapshot.ends_on)


def _write(settings: Settings, contract: Contract, closing: list[Row], opening: list[Row]) -> None:
    """Close and open versions in one commit; nothing is written where nothing changed."""
    if closing or opening:
        rows = pa.Table.from_pylist([*closing, *opening], schema=lake.file_schema(contract.name))
        lake.replace_rows(settings, contract.name, rows, (*keys_of(contract), "recorded_from"))
