"""Arrow columns as the arrays that the kernels want: codes in sorted order, so that nothing depends on arrival."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import EvidenceRule
from cairn.mastery.evidence import COUNTED, Attempts, BoolArray, judge, outcomes, unnamed_item, work_order
from cairn.mastery.hashing import item_keys
from cairn.mastery.rapid import NOT_TIMED, RapidLimits

CodeArray = npt.NDArray[np.int32]
Number = TypeVar("Number", np.int64, np.uint64)
# Columns that attempts need, as silver.evidence names them.
ATTEMPT_COLUMNS = (
    "event_id",
    "event_time",
    "activity_type",
    "item_id",
    "success",
    "score_share",
    "hints",
    "duration_ms",
    "work_date",
)


def coded(column: pa.Array | pa.ChunkedArray) -> tuple[IntArray, list[Any]]:
    """(codes, values): positions in the sorted distinct values, -1 for null."""
    encoded = _encoded(column)
    values = encoded.dictionary.to_pylist()
    used = np.unique(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False))
    order = sorted((i for i in used.tolist() if i >= 0), key=lambda i: values[i])
    rank = np.full(len(values) + 1, -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return rank[indices], [values[i] for i in order]


def coded_unsorted(column: pa.Array | pa.ChunkedArray) -> tuple[IntArray, pa.Array]:
    """(codes, values): positions in the distinct values as they come, -1 for null."""
    encoded = _encoded(column)
    codes: IntArray = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary


def codes_by_stretch(column: pa.ChunkedArray, bounds: IntArray) -> list[pa.DictionaryArray]:
    """A coded column cut at the bounds (stretches + 1), each stretch with a dictionary of the values that it has."""
    codes, values = coded_unsorted(column)
    small, used, ends = _own_codes(codes, bounds, len(values))
    found = []
    for stretch, (begin, end) in enumerate(pairwise(bounds.tolist())):
        own = small[begin:end]
        kept = values.take(pa.array(used[0 if stretch == 0 else ends[stretch - 1] : ends[stretch]]))
        found.append(pa.DictionaryArray.from_arrays(pa.array(own, mask=own < 0), kept))
    return found


@numba.njit(cache=True, nogil=True)
def _own_codes(codes: IntArray, bounds: IntArray, values: int) -> tuple[CodeArray, IntArray, IntArray]:
    """Each stretch's codes counted from 0 in order of appearance, the codes they stand for, and where those end."""
    small = np.empty(codes.size, dtype=np.int32)
    used = np.empty(codes.size, dtype=np.int64)
    ends = np.empty(bounds.size - 1, dtype=np.int64)
    met = np.full(values, -1, dtype=np.int64)
    place = np.zeros(values, dtype=np.int64)
    count = 0
    for stretch in range(bounds.size - 1):
        first = count
        for i in range(bounds[stretch], bounds[stretch + 1]):
            code = codes[i]
            if code < 0:
                small[i] = -1
                continue
            if met[code] != stretch:
                met[code] = stretch
                place[code] = count - first
                used[count] = code
                count += 1
            small[i] = place[code]
        ends[stretch] = count
    return small, used, ends


def _encoded(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    if isinstance(encoded, pa.ChunkedArray):
        return pa.concat_arrays(encoded.unify_dictionaries().chunks) if encoded.num_chunks else _no_codes(column)
    return encoded


def _no_codes(column: pa.ChunkedArray) -> pa.DictionaryArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], kind))


def floats(column: pa.Array | pa.ChunkedArray) -> FloatArray:
    """A numeric or boolean column as doubles, NaN for null."""
    numbers: FloatArray = column.cast(pa.float64()).to_numpy()
    return numbers


def integers(column: pa.Array | pa.ChunkedArray, missing: int = 0) -> IntArray:
    """An integer, date or timestamp column as 64-bit integers, ``missing`` for null."""
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    whole: IntArray = pc.fill_null(column.cast(pa.int64()), missing).to_numpy()
    return whole


def usable(table: pa.Table, rule: EvidenceRule) -> pa.Table:
    """The rows whose kind counts or is practice and that have an outcome, which is beside them: ``correct``, 0 to 1."""
    kinds = is_in(table["activity_type"], rule.counted_types | rule.total_types | rule.practice_types)
    correct = outcomes(floats(table["success"]), floats(table["score_share"]))
    return kept(table.append_column("correct", pa.array(correct)), kinds & ~np.isnan(correct))


def places_in(keys: npt.NDArray[Number], values: npt.NDArray[Number]) -> IntArray:
    """Where each value is among the keys, first of all (they need no order); -1 where it is not."""
    places: IntArray = _probe(*(np.ascontiguousarray(numbers).view(np.int64) for numbers in (keys, values)))
    return places


@numba.njit(cache=True, nogil=True)
def _probe(keys: IntArray, values: IntArray) -> IntArray:
    """Places by a hash table with open addressing: a search by halves took ten times as long for a bucket's keys."""
    bits = np.uint64(4)
    while np.int64(1) << bits < 2 * keys.size:
        bits += np.uint64(1)
    last, shift = (np.int64(1) << bits) - 1, np.uint64(64) - bits
    slots = np.full(last + 1, -1, dtype=np.int64)
    for i in range(keys.size):
        slot = np.int64((np.uint64(keys[i]) * np.uint64(0x9E3779B97F4A7C15)) >> shift)
        while slots[slot] >= 0 and keys[slots[slot]] != keys[i]:
            slot = (slot + 1) & last
        if slots[slot] < 0:
            slots[slot] = i
    found = np.empty(values.size, dtype=np.int64)
    for i in range(values.size):
        slot = np.int64((np.uint64(values[i]) * np.uint64(0x9E3779B97F4A7C15)) >> shift)
        while slots[slot] >= 0 and keys[slots[slot]] != values[i]:
            slot = (slot + 1) & last
        found[i] = slots[slot]
    return found


def kept(table: pa.Table, chosen: BoolArray) -> pa.Table:
    """The chosen rows; the table itself where that is all of them, as it mostly is: a filter copies."""
    return table if chosen.all() else table.filter(pa.array(chosen))


def attempts_from(table: pa.Table, pair: IntArray, rule: EvidenceRule, limits: RapidLimits) -> Attempts:
    """The rows of :func:`usable` as attempts; ``pair`` is each row's code of pupil and competency."""
    time_us, day = integers(table["event_time"]), integers(table["work_date"])
    item = item_codes(table["item_id"], day)
    return Attempts(
        pair=pair,
        item=item,
        time_us=time_us,
        day=day,
        event_rank=tie_ranks(pair, time_us, table["event_id"]),
        correct=table["correct"].to_numpy(),
        has_hints=integers(table["hints"]) > 0,
        is_total=is_in(table["activity_type"], rule.total_types),
        is_practice=is_in(table["activity_type"], rule.practice_types),
        is_rapid=limits.are_rapid(item, integers(table["duration_ms"], missing=NOT_TIMED)),
    )


def counted_rows(table: pa.Table, rule: EvidenceRule, limits: RapidLimits) -> pa.Table:
    """Of rows of :func:`usable` those that count, pair after pair in order of work, ``correct`` as the rule has it."""
    student, _ = coded(table["student_key"])
    competency, competencies = coded(table["competency_id"])
    judged = judge(attempts_from(table, student * max(1, len(competencies)) + competency, rule, limits), rule)
    is_counted = judged.verdict == COUNTED
    rows = table.take(pa.array(judged.order[is_counted]))
    return rows.set_column(rows.column_names.index("correct"), "correct", pa.array(judged.correct[is_counted]))


def item_codes(column: pa.Array | pa.ChunkedArray, day: IntArray) -> IntArray:
    """The key of each item (:func:`cairn.mastery.hashing.item_keys`); where none is named, that local day's code."""
    keys = item_keys(column)
    missing = np.asarray(pc.is_null(column))
    keys[missing] = unnamed_item(day[missing])
    return keys


def tie_ranks(pair: IntArray, time_us: IntArray, event_id: pa.Array | pa.ChunkedArray) -> IntArray:
    """The order of event ids among attempts of one pair at one instant; 0 for all others, whose time tells."""
    ranks = np.zeros(pair.size, dtype=np.int64)
    order = work_order(pair, time_us)
    is_twin = (np.diff(pair[order]) == 0) & (np.diff(time_us[order]) == 0)
    tied = order[np.r_[is_twin, False] | np.r_[False, is_twin]] if pair.size else order
    if tied.size:
        ranks[tied] = integers(pc.rank(event_id.take(pa.array(tied)), tiebreaker="dense"))
    return ranks


def list_values(column: pa.ChunkedArray) -> tuple[IntArray, IntArray]:
    """(values, sizes): a column of lists of integers as all its values, and how many each row has."""
    lists = column.combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    return integers(lists.flatten()), integers(pc.list_value_length(lists))


def is_in(column: pa.Array | pa.ChunkedArray, names: frozenset[str]) -> BoolArray:
    """Whether each value is one of the names; False for null."""
    if pa.types.is_dictionary(column.type):
        codes, values = coded(column)
        is_named = np.array([*(value in names for value in values), False])
        hits: BoolArray = is_named[codes]
        return hits
    found: BoolArray = np.asarray(pc.is_in(column, value_set=pa.array(sorted(names), pa.string())))
    return found


def plain(table: pa.Table) -> pa.Table:
    """Coded text as text, so that tables of two origins can follow each other."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(field.type.value_type))
    return table
