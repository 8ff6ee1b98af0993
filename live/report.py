"""What comparisons of live with nights found: a row a night in ops.live_reconciliation."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from live.reconcile import Reconciliation

LOOK_AGAIN_SECONDS = 1.0
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


def wait_for(settings: Settings, data_date: date, wait_seconds: float) -> dict[str, Any]:
    """The comparison with a day's night, once there is one. Raises CairnError where there is none in time."""
    until = time.monotonic() + wait_seconds
    while (found := of_date(settings, data_date)) is None:
        if time.monotonic() > until:
            raise CairnError(
                f"live has not been compared with a night of {data_date}: it is when live ran before that night and "
                "after it; see 'cairn status' and 'cairn logs live'"
            )
        time.sleep(LOOK_AGAIN_SECONDS)
    return found


def require_equal(row: Mapping[str, Any]) -> None:
    """Raises CairnError where pairs differed or nothing was compared, with what to do."""
    if row["note"]:
        raise CairnError(f"night {row['night']}: {row['note']}")
    if row["differences"]:
        raise CairnError(
            f"night {row['night']}: {row['differences']} of {row['pairs']} pairs differ, by column {row['by_column']}; "
            "the night's states stand and live goes on from them; keep 'cairn logs live' and 'cairn logs intake' and "
            "look which events one of them has not"
        )
