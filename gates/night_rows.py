"""Which rows are the night's: those of intake batches written since the gate ran for another data date.

Not those of a receipt date: what arrives late is the night's, too, and a night that is run again looks at the same
rows (and what has come since).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.settings import Settings

# A batch may have been written between the moment the gate read the batches and the moment it noted.
OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True)
class NightRows:
    """Batches by application id (first and last number), and the first day on which the lake took one in."""

    spans: dict[str, tuple[int, int]]
    first_ingest_date: date | None

    def arrow_filter(self) -> Any:
        """The rows as a pyarrow expression."""
        chosen: Any = pc.scalar(False)
        for app_id, (first, last) in self.spans.items():
            number = pc.field("batch_id")
            chosen = chosen | ((pc.field("intake_app_id") == app_id) & (number >= first) & (number <= last))
        if self.first_ingest_date is None:
            return chosen
        return (pc.field("ingest_date") >= self.first_ingest_date) & chosen


def night_rows(settings: Settings, data_date: date) -> NightRows:
    """The rows of the night of ``data_date``."""
    since = _since(settings, data_date)
    spans: dict[str, tuple[int, int]] = {}
    first: datetime | None = None
    columns, chosen = ["intake_app_id", "batch_id", "written_at"], None
    if since is not None:
        begin, day = since - OVERLAP, pc.field("written_date")
        # Rows from before the column was kept have no day.
        chosen = (pc.field("written_at") >= begin) & (day.is_null() | (day >= begin.astimezone(UTC).date()))
    for row in lake.read(settings, "ops.intake_batch", columns, chosen, lake.EVERY).to_pylist():
        low, high = spans.get(row["intake_app_id"], (row["batch_id"], row["batch_id"]))
        spans[row["intake_app_id"]] = (min(low, row["batch_id"]), max(high, row["batch_id"]))
        first = min(first or row["written_at"], row["written_at"])
    # The day is stamped when a batch begins, the batch noted when it ends: midnight can lie between.
    day = (first.astimezone(settings.zone) - timedelta(days=1)).date() if first else None
    return NightRows(spans, day)


def _since(settings: Settings, data_date: date) -> datetime | None:
    earlier = lake.read(
        settings,
        "ops.gate_result",
        ["run_at"],
        (pc.field("gate") == "bronze_to_silver") & (pc.field("data_date") < data_date),
    )
    newest: datetime | None = pc.max(earlier.column("run_at")).as_py()
    return newest
