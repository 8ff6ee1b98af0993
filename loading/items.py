"""Item alignments into history, and the items in evidence that nothing aligns."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.rostering.items import read_items
from cairn.rostering.items_named import Validity
from cairn.settings import Settings
from lake import sql
from loading import history
from loading.competencies import known_competencies
from loading.history import CURRENT
from loading.problems import shown
from loading.snapshot import Snapshot

# What evidence of an item there is: answers are events with an outcome, which would count once the item is aligned.
# An event whose source names a competency that is loaded counts already.
_UNALIGNED = """
select
    seen.item_id,
    sum(seen.events)::bigint as events,
    sum(seen.answers)::bigint as answers,
    min(seen.first_date) as first_date,
    max(seen.last_date) as last_date,
    list(distinct seen.source_id order by seen.source_id) as sources
from (
    select
        item_id,
        source_id,
        count(*) as events,
        count(*) filter (
            where activity_type in ('attempt', 'assessment', 'grade')
                and (success is not null or score_scaled is not null or score_max > coalesce(score_min, 0))
                and not list_has_any(coalesce(competency_ids, []), loaded.ids)
        ) as answers,
        min(work_date) as first_date,
        max(work_date) as last_date
    from activity
        cross join (select coalesce(list(competency_id), []) as ids from known) as loaded
    where item_id is not null
    group by item_id, source_id
) as seen
    anti join aligned on seen.item_id = aligned.item_id
group by seen.item_id
order by answers desc, events desc, seen.item_id
limit ?
"""
_COLUMNS = (
    "item_id",
    "source_id",
    "activity_type",
    "success",
    "score_scaled",
    "score_min",
    "score_max",
    "competency_ids",
    "work_date",
)


def load_items(
    settings: Settings,
    path: Path | str,
    recorded_at: datetime | None = None,
    template: str = "{identifier}",
    validity: Validity | None = None,
) -> dict[str, Any]:
    """Load items.csv, or the items of a CASE or QTI package (see :func:`cairn.rostering.items.read_items`).

    Returns rows, added, changed, rejected, unaligned; with unknown_columns, problems, warnings.
    """
    alignments = read_items(Path(path), known_competencies(settings), template, validity)
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


def list_unaligned(settings: Settings, limit: int) -> dict[str, Any]:
    """Items without an alignment by the answers that one would add: ``unaligned`` (all), ``items`` (at most ``limit``).

    An item: item_id, events (all that was sent of it), answers (of these with an outcome, and of no competency yet),
    first_date and last_date (days of work), sources.
    """
    found: list[dict[str, Any]] = []
    if lake.exists(settings, "silver.learner_activity"):
        with sql.bounded(settings) as connection:
            scan = lake.dataset(settings, "silver.learner_activity").scanner(columns=list(_COLUMNS))
            connection.register("activity", scan.to_reader())
            connection.register("aligned", lake.read(settings, "silver.item_alignment", ["item_id"], CURRENT))
            connection.register("known", lake.read(settings, "silver.competency", ["competency_id"], CURRENT))
            found = connection.sql(_UNALIGNED, params=[limit]).to_arrow_table().to_pylist()
    return {"unaligned": count_unaligned(settings), "items": found}
