"""What a night's evidence touches in a bucket, what stands there, and so which pairs are restated and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

import lake
from cairn.mastery import arrow, hashing
from cairn.mastery.bkt import IntArray
from cairn.mastery.evidence import BoolArray
from cairn.settings import Settings
from spark_jobs.night_record import STATE

CODED_STATE = ("student_key", "competency_id", "state", "model_version", "policy_version")
INDEX_COLUMNS = (
    "pair_key",
    "pupil_key",
    "pupil_counted",
    "night",
    "is_removed",
    "next_transition_at",
    "last_work_date",
)


@dataclass(frozen=True)
class Touched:
    """Tonight's rows of evidence: key of each row's pair and pupil, and both once each (``keys``, ``pupils``; sorted).

    pupil_of: of each key its place in pupils. first_day, has_removed: of each pupil the first local day of tonight's
    rows, and whether rows were taken away.
    """

    row_key: IntArray
    row_pupil: IntArray
    keys: IntArray
    pupils: IntArray
    pupil_of: IntArray
    first_day: IntArray
    has_removed: BoolArray


@dataclass(frozen=True)
class Index:
    """The standing pairs of a bucket (n), narrow: where each one's row is, and what decides how it is restated.

    ``row`` counts through the files, one after the other; ``sizes`` are their rows. In no order: to sort a bucket's
    year for a night's few pairs cost more than the night.
    """

    files: list[lake.File]
    sizes: list[int]
    row: IntArray
    key: IntArray
    pupil: IntArray
    pupil_counted: IntArray
    next_us: IntArray
    last_day: IntArray


@dataclass(frozen=True)
class Plan:
    """Keys to go on with from where they stand, and keys to restate from all evidence of their pupils; all sorted.

    late: of those to restate the ones that late evidence touched or may have moved; the others are due. late_pupils:
    keys of their pupils. The rows are places in the index of those that stand, in its order; pupil_rows of the rows
    that hold the newest state of pupils who go on.
    """

    forward: IntArray
    again: IntArray
    late: IntArray
    late_pupils: IntArray
    forward_rows: IntArray
    again_rows: IntArray
    pupil_rows: IntArray


def touched(new: pa.Table) -> Touched:
    """What tonight's rows of evidence touch."""
    student, competency = hashing.hash_texts(new["student_key"]), hashing.hash_texts(new["competency_id"])
    row_key, row_pupil = hashing.pair_keys(student, competency), student.view(np.int64)
    keys, first = np.unique(row_key, return_index=True)
    pupils, pupil = np.unique(row_pupil, return_inverse=True)
    pupil = pupil.reshape(-1)
    first_day = np.full(pupils.size, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(first_day, pupil, arrow.integers(new["work_date"]))
    has_removed = np.zeros(pupils.size, dtype=bool)
    has_removed[pupil[np.asarray(new["is_removed"])]] = True
    return Touched(row_key, row_pupil, keys, pupils, pupil[first], first_day, has_removed)


def read_index(settings: Settings, files: list[lake.File]) -> Index:
    """The newest row of each pair; a pair of which nothing is left has none."""
    # One at a time, or a file's places would not be known. The base is the biggest in nearly every night.
    files = sorted(files, key=lambda file: -file.rows)
    tables = [lake.read_files(settings, STATE, [file], INDEX_COLUMNS) for file in files]
    whole = pa.concat_tables(tables, promote_options="permissive")
    key, night = arrow.integers(whole["pair_key"]), arrow.integers(whole["night"])
    kept = _newest(key, night, tables[0].num_rows)
    kept = kept[~np.asarray(whole["is_removed"])[kept]]
    next_us = arrow.integers(whole["next_transition_at"], missing=np.iinfo(np.int64).max)
    last_day = arrow.integers(whole["last_work_date"])
    pupil, counted = arrow.integers(whole["pupil_key"]), arrow.integers(whole["pupil_counted"])
    # Of several files they lie in another order too, even where none was beaten.
    if len(files) > 1 or kept.size < key.size:
        key, next_us, last_day = key[kept], next_us[kept], last_day[kept]
        pupil, counted = pupil[kept], counted[kept]
    return Index(files, [table.num_rows for table in tables], kept, key, pupil, counted, next_us, last_day)


def _newest(key: IntArray, night: IntArray, first: int) -> IntArray:
    """Places of each key's row of the newest night; the ``first`` rows are of one file, which holds a key once."""
    rest = np.arange(first, key.size)
    rest = rest[np.lexsort((night[rest], key[rest]))]
    is_last = np.ones(rest.size, dtype=bool)
    is_last[:-1] = key[rest][1:] != key[rest][:-1]
    rest = rest[is_last]
    at = arrow.places_in(key[rest], key[:first])
    # A file of the first ones that is newer than the others wins over them.
    is_older = (at >= 0) & (night[:first] < night[rest][at]) if rest.size else np.zeros(first, dtype=bool)
    is_beaten = np.zeros(rest.size, dtype=bool)
    is_beaten[at[(at >= 0) & ~is_older]] = True
    found: IntArray = np.r_[np.flatnonzero(~is_older), rest[~is_beaten]]
    return found


def plan(index: Index, touched: Touched, as_of_us: int) -> Plan:
    """Which pairs are restated and how: of pupils without late work from where they stand, of the others anew."""
    # The two searches among all that stand: everything after them is about the few rows that they find.
    pupil = arrow.places_in(touched.pupils, index.pupil)
    is_touched = arrow.places_in(touched.keys, index.key) >= 0
    last_day, newest = _of_pupils(pupil, index.last_day, index.pupil_counted, touched.pupils.size)
    is_late = touched.has_removed | (touched.first_day <= last_day)
    is_due = index.next_us < as_of_us
    of_late = (pupil >= 0) & np.append(is_late, False)[pupil]
    # What a pupil did before the late day rests on nothing that changed.
    is_moved = of_late & (is_touched | (index.last_day >= np.append(touched.first_day, 0)[pupil]))
    forward_rows = np.flatnonzero((is_touched | is_due) & ~of_late)
    again_rows = np.flatnonzero(is_moved | (of_late & is_due))
    key_is_late = is_late[touched.pupil_of]
    late = np.union1d(touched.keys[key_is_late], index.key[is_moved])
    return Plan(
        forward=np.union1d(touched.keys[~key_is_late], index.key[forward_rows]),
        again=np.union1d(late, index.key[again_rows]),
        late=late,
        late_pupils=touched.pupils[is_late],
        forward_rows=forward_rows,
        again_rows=again_rows,
        pupil_rows=np.sort(newest[~is_late & (newest >= 0)]),
    )


@numba.njit(cache=True, nogil=True)
def _of_pupils(pupil: IntArray, last_day: IntArray, counted: IntArray, pupils: int) -> tuple[IntArray, IntArray]:
    """(last local day of any work, place of the row with the most counted answers behind it) of each touched pupil.

    ``pupil`` is the place of each standing row's pupil among them, -1 for others; a place is -1 where none stands.
    """
    latest, newest = np.full(pupils, np.int64(-1) << 62), np.full(pupils, -1, dtype=np.int64)
    for row in range(pupil.size):
        who = pupil[row]
        if who >= 0:
            latest[who] = max(latest[who], last_day[row])
            if newest[who] < 0 or counted[row] > counted[newest[who]]:
                newest[who] = row
    return latest, newest


def standing_rows(settings: Settings, index: Index, rows: IntArray, columns: Sequence[str]) -> pa.Table:
    """The standing rows at some places of the index."""
    wanted = np.sort(index.row[rows])
    parts, first = [lake.read_schema(STATE, columns, CODED_STATE).empty_table()], 0
    for file, size in zip(index.files, index.sizes, strict=True):
        begin, end = np.searchsorted(wanted, [first, first + size])
        if begin < end:  # a file of which no row is wanted is not opened
            parts.append(lake.read_rows(settings, STATE, file, wanted[begin:end] - first, columns, CODED_STATE))
        first += size
    return pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
