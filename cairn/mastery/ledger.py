"""What a night changes: computed rows against those that stand. Pure, on Arrow tables in the contracts' columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery import arrow
from cairn.mastery.bkt import IntArray
from cairn.mastery.evidence import BoolArray
from cairn.mastery.hashing import HashArray, hash_texts, mix

# Numbers that differ by less are the same.
SAME = 1e-12
DAY = ("pair_key", "work_date")


def row_keys(table: pa.Table, columns: Sequence[str]) -> HashArray:
    """One hash a row, made of the columns."""
    key: HashArray = np.zeros(table.num_rows, dtype=np.uint64)
    for name in columns:
        column = table[name]
        is_text = pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)
        part = hash_texts(column) if is_text else arrow.integers(column).view(np.uint64)
        key = mix(key, np.ascontiguousarray(part))
    return key


def newest(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The newest night's row for each combination of the columns; a retraction after what it takes back."""
    if table.num_rows == 0:
        return table
    keys = row_keys(table, columns)
    order = np.lexsort((arrow.integers(table["night"]), keys))
    ordered = keys[order]
    is_last = np.r_[ordered[1:] != ordered[:-1], True]
    return table.take(pa.array(np.sort(order[is_last])))


def set_column(table: pa.Table, name: str, value: object) -> pa.Table:
    """The table with one value in all rows of a column, type kept."""
    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array([value] * table.num_rows, table.schema.field(name).type))


def decision_changes(computed: pa.Table, ledger: pa.Table, data_date: date, now: datetime) -> pa.Table:
    """Rows to append: new decisions, and retractions of those that no longer follow from the evidence.

    Both tables hold the restated pairs only; ``ledger`` every row of theirs so far.
    """
    standing = newest(ledger, ("decision_id",))
    standing = standing.filter(pc.invert(standing["is_retraction"]))
    computed_keys, standing_keys = row_keys(computed, ("decision_id",)), row_keys(standing, ("decision_id",))
    added = computed.filter(pa.array(arrow.places_in(standing_keys, computed_keys) < 0))
    gone = standing.filter(pa.array(arrow.places_in(computed_keys, standing_keys) < 0))
    gone = set_column(set_column(gone, "is_retraction", True), "data_date", data_date)
    rows = pa.concat_tables(
        [arrow.plain(added), arrow.plain(gone.select(computed.column_names))], promote_options="permissive"
    )
    return rows.append_column("recorded_at", pa.array([now] * rows.num_rows, pa.timestamp("us", tz="UTC")))


def day_changes(computed: pa.Table, standing: pa.Table, data_date: date) -> pa.Table:
    """Days to append: those that differ from what stands, and those of which nothing is left (``is_removed``).

    Both tables hold the restated pairs only; ``standing`` their current days.
    """
    here, there = row_keys(computed, DAY), row_keys(standing, DAY)
    place = arrow.places_in(there, here)
    changed = _flagged(computed.filter(pa.array(~_is_same_day(computed, standing, place))), is_removed=False)
    gone = standing.filter(pa.array(arrow.places_in(here, there) < 0)).select(computed.column_names)
    gone = _flagged(set_column(gone, "data_date", data_date), is_removed=True)
    return pa.concat_tables([changed, gone], promote_options="permissive")


def _flagged(table: pa.Table, *, is_removed: bool) -> pa.Table:
    return arrow.plain(table).append_column("is_removed", pa.array(np.full(table.num_rows, is_removed)))


def _is_same_day(computed: pa.Table, standing: pa.Table, place: IntArray) -> BoolArray:
    """Which computed days stand already with the same content."""
    same: BoolArray = place >= 0
    if not same.any():
        return same
    twin = standing.take(pa.array(np.maximum(place, 0)))
    for name in ("attempts", "counted_attempts", "correct", "counted_correct", "hints", "duration_ms"):
        same &= arrow.integers(computed[name]) == arrow.integers(twin[name])
    for name in ("first_event_at", "last_event_at"):
        same &= arrow.integers(computed[name]) == arrow.integers(twin[name])
    for name in ("org_id", "class_id"):
        same &= hash_texts(computed[name]) == hash_texts(twin[name])
    return same
