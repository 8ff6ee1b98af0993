"""Item alignments into history, and the items in evidence that nothing aligns."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.rostering.items import read_items
from cairn.settings import Settings
from loading import history
from loading.competencies import competency_ids
from loading.history import CURRENT
from loading.problems import shown
from loading.snapshot import Snapshot


def load_items(settings: Settings, path: Path | str, recorded_at: datetime | None = None) -> dict[str, Any]:
    """Load items.csv. Returns rows, added, changed, rejected, unaligned; with unknown_columns, problems, warnings."""
    alignments = read_items(Path(path), competency_ids(settings))
    change = history.apply(settings, Snapshot("silver.item_alignment", alignments.rows), recorded_at)
    return {
        "rows": alignments.row_count,
        "added": change.added,
        "changed": change.changed,
        "rejected": alignments.rejected,
        "unaligned": count_unaligned(settings),
        "unknown_columns": alignments.unknown_columns,
        **shown(alignments.problems),
    }


def count_unaligned(settings: Settings) -> int:
    """Items that sources have sent evidence of and no current alignment names; one column is read, in batches."""
    if not lake.exists(settings, "silver.learner_activity"):
        return 0
    aligned = lake.read(settings, "silver.item_alignment", ["item_id"], CURRENT).column("item_id")
    activity = lake.dataset(settings, "silver.learner_activity")
    seen: set[str] = set()
    for batch in activity.to_batches(columns=["item_id"]):
        seen.update(item for item in pc.unique(batch.column("item_id")).to_pylist() if item)
    return len(seen.difference(aligned.to_pylist()))
