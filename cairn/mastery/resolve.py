"""Whose work an event is, and what it shows: events to evidence, by links, alignments and voids as they are known.

Pure, on Arrow tables; an event gives a row for each pupil and competency, or waits for what is missing. The same events
give the same rows whatever else is resolved with them, which is what lets a night look at few of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cairn.mastery import arrow
from cairn.mastery.bkt import IntArray
from cairn.mastery.evidence import BoolArray, score_shares
from cairn.mastery.hashing import HashArray, hash_texts, mix

# What of an event resolving reads and evidence keeps, in the columns of silver.evidence.
EVENT_COLUMNS = (
    "event_id",
    "event_time",
    "work_date",
    "activity_type",
    "item_id",
    "named_competency_ids",
    "success",
    "score_share",
    "hints",
    "duration_ms",
    "org_id",
    "class_id",
    "subject_key",
    "statement_key",
)
# What silver.learner_activity must be read with.
SILVER_COLUMNS = (
    "event_id",
    "event_time",
    "work_date",
    "activity_type",
    "item_id",
    "competency_ids",
    "success",
    "score_scaled",
    "score_raw",
    "score_min",
    "score_max",
    "hints",
    "duration_ms",
    "org_id",
    "class_id",
    "subject_key",
    "source_id",
    "source_statement_id",
)
VOID = "void"
LINK, COMPETENCY, TIME, SCHOOL = "link", "competency", "time", "school"
_EARLIEST, _LATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class Links:
    """Who a subject was and when, as known now: parallel arrays (n), sorted by subject; instants in microseconds."""

    subjects: pa.Array
    students: pa.Array
    from_us: IntArray
    to_us: IntArray

    @classmethod
    def of(cls, table: pa.Table) -> Links:
        """From rows of silver.identity_link that hold now."""
        table = table.sort_by([("subject_key", "ascending"), ("valid_from", "ascending")])
        return cls(
            _array(table["subject_key"]),
            _array(table["student_key"]),
            arrow.integers(table["valid_from"], missing=_EARLIEST),
            arrow.integers(table["valid_to"], missing=_LATEST),
        )


@dataclass(frozen=True)
class Alignments:
    """What items show and when, as known now: parallel arrays (n), sorted by item; local days since 1970."""

    items: pa.Array
    competencies: pa.Array
    first_day: IntArray
    last_day: IntArray
    has_repeats: bool

    @classmethod
    def of(cls, table: pa.Table) -> Alignments:
        """From rows of silver.item_alignment that hold now."""
        table = table.sort_by([("item_id", "ascending"), ("competency_id", "ascending")])
        return cls(
            _array(table["item_id"]),
            _array(table["competency_id"]),
            arrow.integers(table["valid_from_date"], missing=_EARLIEST),
            arrow.integers(table["valid_to_date"], missing=_LATEST),
            table.group_by(["item_id", "competency_id"]).aggregate([]).num_rows < table.num_rows,
        )


@dataclass(frozen=True)
class Known:
    """Everything that resolving rests on.

    competencies: ids that the district knows. voided: statement keys taken back before the as-of instant.
    held: pupils whose school a gate holds back.
    """

    links: Links
    alignments: Alignments
    competencies: pa.Array
    voided: IntArray
    held: pa.Array
    as_of_us: int


@dataclass(frozen=True)
class Picked:
    """Rows of a table at some places (n), with columns of their own beside them; copied once, when they are asked for.

    ``beside`` are columns of n values that the table has not.
    """

    table: pa.Table
    places: IntArray
    beside: dict[str, pa.Array]

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all rows."""
        if name in self.beside:
            return pa.chunked_array([self.beside[name]])
        return self.table[name].take(pa.array(self.places))

    def rows(self, order: IntArray | None = None) -> pa.Table:
        """The rows, in their order or in another."""
        places = self.places if order is None else self.places[order]
        rows = self.table.take(pa.array(places))
        for name, column in self.beside.items():
            rows = rows.append_column(name, column if order is None else column.take(pa.array(order)))
        return rows


@dataclass(frozen=True)
class Resolved:
    """``evidence``: EVENT_COLUMNS with student_key and competency_id; ``waiting``: EVENT_COLUMNS with waits_for."""

    evidence: Picked
    waiting: Picked


def events_of(silver: pa.Table) -> pa.Table:
    """Scored events of silver (columns SILVER_COLUMNS) in the columns that resolving reads; voids left out."""
    shares = score_shares(
        *(arrow.floats(silver[name]) for name in ("score_scaled", "score_raw", "score_min", "score_max"))
    )
    has_outcome = np.asarray(pc.is_valid(silver["success"])) | ~np.isnan(shares)
    is_void = arrow.is_in(silver["activity_type"], frozenset({VOID}))
    columns = {name: silver[name] for name in EVENT_COLUMNS if name in silver.column_names}
    columns["named_competency_ids"] = silver["competency_ids"]
    columns["score_share"] = pa.array(shares, from_pandas=True)
    columns["statement_key"] = pa.array(statement_keys(silver["source_id"], silver["source_statement_id"]))
    table = pa.table({name: columns[name] for name in EVENT_COLUMNS})
    keep = has_outcome & ~is_void
    return arrow.kept(table, keep)


def voids_of(silver: pa.Table) -> pa.Table:
    """Voids among events of silver: event_id, statement_key (of what is taken back), event_time."""
    is_void = arrow.is_in(silver["activity_type"], frozenset({VOID})) & np.asarray(
        pc.is_valid(silver["voids_statement_id"])
    )
    rows = silver.filter(pa.array(is_void))
    keys = statement_keys(rows["source_id"], rows["voids_statement_id"])
    return pa.table({"event_id": rows["event_id"], "statement_key": pa.array(keys), "event_time": rows["event_time"]})


def statement_keys(source: pa.ChunkedArray, statement: pa.ChunkedArray) -> IntArray:
    """A hash of source and its own id of the statement (n)."""
    keys: IntArray = mix(hash_texts(source), hash_texts(statement)).view(np.int64)
    return keys


def resolve(events: pa.Table, known: Known) -> Resolved:
    """The evidence that events (columns EVENT_COLUMNS, each event once) are, and those that wait.

    An event waits for its day (work at or after the as-of instant), a link that held when the work was done, a school
    that is held back, or a competency: those its item was aligned to on the day of the work and those the source named
    that the district knows. What was voided is neither.
    """
    if known.voided.size:
        events = events.filter(pa.array(~np.isin(arrow.integers(events["statement_key"]), known.voided)))
    is_later = arrow.integers(events["event_time"]) >= known.as_of_us
    waits: list[tuple[str, IntArray]] = [(TIME, np.flatnonzero(is_later))]
    place, link = _linked(events, known.links, ~is_later)
    waits.append((LINK, _without(np.flatnonzero(~is_later), place, events.num_rows)))
    is_held = _held(known, link)
    waits.append((SCHOOL, _distinct(place[is_held])))
    place, link = place[~is_held], link[~is_held]
    linked = _distinct(place)
    shown, competency, names = _shown(events, known, linked)
    waits.append((COMPETENCY, _without(linked, shown, events.num_rows)))
    # Each link of an event meets each of its competencies.
    left, right = _joined(place, shown, events.num_rows)
    students = pa.DictionaryArray.from_arrays(pa.array(link[left].astype(np.int32)), known.links.students)
    showing = pa.DictionaryArray.from_arrays(pa.array(competency[right].astype(np.int32)), names)
    evidence = Picked(events, place[left], {"student_key": students, "competency_id": showing})
    return Resolved(evidence, _waiting(events, waits))


def _array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _distinct(ascending: IntArray) -> IntArray:
    """Each value once. The order is used: numpy's unique would hash them all."""
    is_first = np.ones(ascending.size, dtype=bool)
    is_first[1:] = ascending[1:] != ascending[:-1]
    distinct: IntArray = ascending[is_first]
    return distinct


def _without(places: IntArray, others: IntArray, size: int) -> IntArray:
    """Places (below ``size``) that are not among the others."""
    is_other = np.zeros(size, dtype=bool)
    is_other[others] = True
    return places[~is_other[places]]


def _groups(sorted_keys: pa.Array) -> tuple[pa.Array, IntArray]:
    """Distinct keys of a sorted array, and where each one's rows begin (keys + 1)."""
    if len(sorted_keys) == 0:
        return sorted_keys, np.zeros(1, dtype=np.int64)
    codes = sorted_keys.dictionary_encode()
    indices = codes.indices.to_numpy()
    starts = np.flatnonzero(np.r_[True, indices[1:] != indices[:-1]])
    return codes.dictionary, np.r_[starts, indices.size].astype(np.int64)


def _each_of_group(column: pa.ChunkedArray, keys: pa.Array, starts: IntArray) -> tuple[IntArray, IntArray]:
    """For each row the rows of its group: (place of the row, place in the sorted table), row after row."""
    codes, values = arrow.coded_unsorted(column)
    group_of = arrow.integers(pc.index_in(values, value_set=keys), missing=-1)
    group = np.append(group_of, -1)[codes]
    is_known = group >= 0
    known = np.flatnonzero(is_known)
    sizes = (starts[1:] - starts[:-1])[group[known]] if known.size else np.zeros(0, dtype=np.int64)
    place = np.repeat(known, sizes)
    within = np.arange(place.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place, np.repeat(starts[:-1][group[known]], sizes) + within if known.size else place


def _linked(events: pa.Table, links: Links, wanted: BoolArray) -> tuple[IntArray, IntArray]:
    """(event, link) of links that held when the work was done."""
    subjects, starts = _groups(links.subjects)
    place, link = _each_of_group(events["subject_key"], subjects, starts)
    time_us = arrow.integers(events["event_time"])[place]
    holds = wanted[place] & (time_us >= links.from_us[link]) & (time_us < links.to_us[link])
    return place[holds], link[holds]


def _held(known: Known, link: IntArray) -> BoolArray:
    if len(known.held) == 0:
        return np.zeros(link.size, dtype=bool)
    of_link = np.asarray(pc.is_in(known.links.students, value_set=known.held))
    held: BoolArray = of_link[link]
    return held


def _shown(events: pa.Table, known: Known, wanted: IntArray) -> tuple[IntArray, IntArray, pa.Array]:
    """(event, code) of the competencies that wanted events show, each once, and the names by code."""
    names = pc.unique(pa.chunked_array([known.alignments.competencies, known.competencies]))
    is_wanted = np.zeros(events.num_rows, dtype=bool)
    is_wanted[wanted] = True
    items, starts = _groups(known.alignments.items)
    place, aligned = _each_of_group(events["item_id"], items, starts)
    day = arrow.integers(events["work_date"])[place]
    holds = (
        is_wanted[place] & (day >= known.alignments.first_day[aligned]) & (day <= known.alignments.last_day[aligned])
    )
    code_of = arrow.integers(pc.index_in(known.alignments.competencies, value_set=names), missing=-1)
    found = [(place[holds], code_of[aligned[holds]])]
    named = _array(events["named_competency_ids"])
    sizes = arrow.integers(pc.list_value_length(named))
    if sizes.any():
        owner = np.repeat(np.arange(events.num_rows), sizes)
        code = arrow.integers(pc.index_in(named.flatten(), value_set=names), missing=-1)
        is_known = (code >= 0) & is_wanted[owner]
        found.append((owner[is_known], code[is_known]))
    if len(found) > 1 or known.alignments.has_repeats:
        cells = np.unique(
            np.concatenate([part[0] for part in found]) * len(names) + np.concatenate([part[1] for part in found])
        )
        return cells // len(names), cells % len(names), names
    return *found[0], names


def _joined(left: IntArray, right: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """All pairs of places in two ascending arrays of values below ``size`` that are equal."""
    count = np.bincount(right, minlength=size)
    begin, sizes = (np.cumsum(count) - count)[left], count[left]
    first = np.repeat(np.arange(left.size), sizes)
    within = np.arange(first.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return first, np.repeat(begin, sizes) + within


def _waiting(events: pa.Table, waits: list[tuple[str, IntArray]]) -> Picked:
    reason = np.repeat(np.arange(len(waits), dtype=np.int32), [places.size for _, places in waits])
    reasons = pa.DictionaryArray.from_arrays(pa.array(reason), pa.array([name for name, _ in waits], pa.string()))
    return Picked(events, np.concatenate([places for _, places in waits]), {"waits_for": reasons})


def net(rows: pa.Table, key: HashArray) -> pa.Table:
    """Rows with a ``sign`` (+1 resolved now, -1 standing) as changes: what came, and what went as ``is_removed``.

    ``key`` is a hash of what makes a row one and the same. Both sides are sets: a row on both changes nothing.
    """
    sign = arrow.integers(rows["sign"])
    order = np.lexsort((-sign, key))
    if order.size == 0:
        return rows.drop_columns(["sign"]).append_column("is_removed", pa.array([], pa.bool_()))
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    last = np.r_[starts[1:], order.size] - 1
    # Rows that came are first in order, rows that stand are last: where both ends are the same kind, it changed.
    came, stood = sign[order[starts]] > 0, sign[order[last]] < 0
    changed = came != stood
    chosen = order[starts[changed]]
    kept = rows.take(pa.array(chosen)).drop_columns(["sign"])
    return kept.append_column("is_removed", pa.array(stood[changed]))


def standing(changes: pa.Table, key: HashArray) -> pa.Table:
    """The rows that stand after all changes (columns is_removed, night): the newest of each key that did not go."""
    order = np.lexsort((arrow.integers(changes["night"]), key))
    ordered = key[order]
    is_last = np.ones(order.size, dtype=bool)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    chosen = np.sort(order[is_last & ~np.asarray(changes["is_removed"])[order]])
    return changes if chosen.size == order.size else changes.take(pa.array(chosen))
