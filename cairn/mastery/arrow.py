"""Arrow columns as the arrays that the kernels want: codes in sorted order, so that nothing depends on arrival."""

from __future__ import annotations

from typing import Any

import numpy as np

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import EvidenceRule
from cairn.mastery.evidence import NO_ITEM, Attempts, BoolArray, outcomes

# Columns that attempts need, as silver.learner_activity names them.
ATTEMPT_COLUMNS = (
    "event_id",
    "event_time",
    "activity_type",
    "item_id",
    "success",
    "score_scaled",
    "score_raw",
    "score_min",
    "score_max",
    "hints",
    "duration_ms",
)


def coded(column: Any) -> tuple[IntArray, list[Any]]:
    """(codes, values): positions in the sorted distinct values, -1 for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = pc.dictionary_encode(encoded)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=lambda i: values[i])
    rank = np.empty(len(values) + 1, dtype=np.int64)
    rank[order] = np.arange(len(values))
    rank[-1] = -1
    indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return rank[indices], [values[i] for i in order]


def floats(column: Any) -> FloatArray:
    """A numeric or boolean column as doubles, NaN for null."""
    import pyarrow as pa

    numbers: FloatArray = column.cast(pa.float64()).to_numpy()
    return numbers


def integers(column: Any, missing: int = 0) -> IntArray:
    """An integer, date or timestamp column as 64-bit integers, ``missing`` for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    whole: IntArray = pc.fill_null(column.cast(pa.int64()), missing).to_numpy()
    return whole


def usable(table: Any, rule: EvidenceRule) -> Any:
    """The rows whose kind counts or is practice and that have an outcome, with ``is_correct`` beside them."""
    import pyarrow as pa

    kinds = _is_in(table["activity_type"], rule.counted_types | rule.practice_types)
    table = table.filter(pa.array(kinds))
    success, scaled, raw, low, high = (
        floats(table[name]) for name in ("success", "score_scaled", "score_raw", "score_min", "score_max")
    )
    result = outcomes(success, scaled, raw, low, high, rule.success_share)
    table = table.append_column("is_correct", pa.array(result == 1))
    return table.filter(pa.array(result >= 0))


def attempts_from(table: Any, pair: IntArray, rule: EvidenceRule) -> Attempts:
    """The rows of :func:`usable` as attempts; ``pair`` is each row's code of pupil and competency."""
    import pyarrow.compute as pc

    item, items = coded(table["item_id"])
    limits = np.array(
        [rule.rapid_guess_ms_by_item.get(name, rule.rapid_guess_ms) for name in items] + [rule.rapid_guess_ms]
    )
    duration = integers(table["duration_ms"], missing=-1)
    return Attempts(
        pair=pair,
        item=np.where(item < 0, NO_ITEM, item),
        time_us=integers(table["event_time"]),
        event_rank=integers(pc.rank(table["event_id"], tiebreaker="dense")),
        is_correct=table["is_correct"].to_numpy(),
        has_hints=integers(table["hints"]) > 0,
        is_practice=_is_in(table["activity_type"], rule.practice_types),
        is_rapid=(duration >= 0) & (duration < limits[item]),
    )


def _is_in(column: Any, names: frozenset[str]) -> BoolArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    found: BoolArray = pc.is_in(column, value_set=pa.array(sorted(names), pa.string())).to_numpy()
    return found
