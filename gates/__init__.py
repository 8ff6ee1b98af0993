"""Gates at every hand-over: what is not sound is held back, and says which rows."""

from __future__ import annotations

from datetime import date
from typing import Any

import lake
from cairn.settings import Settings


def results(settings: Settings, data_date: date) -> list[dict[str, Any]]:
    """Rows of ops.gate_result of each gate's newest run for the data date."""
    rows: list[dict[str, Any]] = [
        row for row in lake.read(settings, "ops.gate_result").to_pylist() if row["data_date"] == data_date
    ]
    newest: dict[str, Any] = {}
    for row in rows:
        newest[row["gate"]] = max(row["run_at"], newest.get(row["gate"], row["run_at"]))
    return [row for row in rows if row["run_at"] == newest[row["gate"]]]
