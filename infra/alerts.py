"""What is said when a run is late: a line in ``home/logs/alerts.log``, which ``cairn logs alerts`` shows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cairn.settings import Settings


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as log:
        log.write(line + "\n")


async def run_is_late(advice: str, context: dict[str, Any] | None = None) -> str:
    """Called by Airflow's triggerer for a run that missed its deadline; returns the line it wrote."""
    run = (context or {}).get("dag_run") or {}
    what = f"{run.get('dag_id', 'a DAG')} ({run.get('dag_run_id', 'run unknown')})"
    line = f"{datetime.now(UTC).isoformat(timespec='seconds')} LATE {what} missed its deadline: {advice}"
    await asyncio.to_thread(_append, Settings().logs_dir / "alerts.log", line)
    return line
