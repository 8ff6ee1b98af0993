"""What comparisons of live with nights found: a row a night in ops.live_reconciliation."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.settings import Settings
from live.reconcile import Reconciliation

TABLE = "ops.live_reconciliation"


def write_down(settings: Settings, found: Reconciliation) -> None:
    """Put a comparison on record, once a night."""
    row = found.as_dict()
    coded = {name: json.dumps(row[name], sort_keys=True) for name in ("offsets", "by_column")}
    lake.append_rows(settings, TABLE, [{**row, **coded}], ("live", found.night))


def of_date(settings: Settings, data_date: date) -> dict[str, Any] | None:
    """The newest comparison with a night of a day; None where there is none yet."""
    rows = lake.read(settings, TABLE, filters=pc.field("data_date") == data_date).to_pylist()
    if not rows:
        return None
    row: dict[str, Any] = max(rows, key=lambda one: one["night"])
    return {**row, **{name: json.loads(row[name]) for name in ("offsets", "by_column")}}


def numbers(found: Reconciliation) -> tuple[int, int]:
    """(pairs compared, pairs that differ)."""
    return found.pairs, found.differences
