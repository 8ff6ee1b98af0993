"""The district's corrective resources into history."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import lake
from cairn.rostering.resources import read_resources
from cairn.settings import Settings
from loading import history
from loading.history import CURRENT
from loading.problems import shown
from loading.snapshot import Snapshot


def load_resources(settings: Settings, path: Path | str, recorded_at: datetime | None = None) -> dict[str, Any]:
    """Load resources.csv whole: what it no longer names has ended. Returns rows, added, changed, ended, rejected.

    Where a row was refused nothing ends, since that row may be what is missed.
    """
    resources = read_resources(Path(path), _competencies(settings))
    snapshot = Snapshot("silver.competency_resource", resources.rows, is_bulk=not resources.rejected)
    change = history.apply(settings, snapshot, recorded_at)
    return {
        "rows": resources.row_count,
        "added": change.added,
        "changed": change.changed,
        "ended": change.ended,
        "rejected": resources.rejected,
        "unknown_columns": resources.unknown_columns,
        **shown(resources.problems),
    }


def _competencies(settings: Settings) -> dict[str, set[str]]:
    """Identifiers by what a file may call them: the identifier itself, or the framework's code."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in lake.read(settings, "silver.competency", ["competency_id", "code"], CURRENT).to_pylist():
        for text in {row["competency_id"], row["code"]} - {None, ""}:
            found[text].add(row["competency_id"])
    return found
