"""Tables of responses, as research data and exports come.

Identifiers are read as text: skills 1.1 and 1.10, pupils 007 and 7 are different ones. A response with several skills
(``a~~b``) stays one response: expanding it into rows and predicting one by one would show each row the outcome of the
one before. Rows of one pupil, item and ``order_id`` are therefore one response too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from cairn.errors import CairnError
from cairn.mastery import arrow
from cairn.mastery.acts import ORDER_ID, one_row_an_act
from cairn.mastery.bkt import ByteArray, FloatArray, IntArray
from cairn.mastery.config import EvidenceRule, FitRule
from cairn.mastery.hashing import item_keys
from cairn.mastery.rapid import NO_LIMIT, NOT_TIMED, RapidLimits, own_limits

NEEDED = ("user_id", "skill_id", "correct")
IDENTIFIERS = ("user_id", "skill_id", "item_id", "subgroup")
SKILL_SEPARATOR = "~~"
# Whole numbers as time stamps: seconds since 1970 reach the first limit in the year 5138, milliseconds the second.
MILLISECONDS_FROM, MICROSECONDS_FROM = 1e11, 1e14


@dataclass(frozen=True)
class Entries:
    """Answers by competency, in any order: one row an answer and competency (n), as parallel arrays.

    event tells which rows are one answer (its hash). correct: the share right. at_us: work time, microseconds since
    1970 UTC. user, skill, item: codes of the names in users, skills, items.
    """

    user: IntArray
    skill: IntArray
    item: IntArray
    event: npt.NDArray[np.uint64]
    at_us: IntArray
    correct: FloatArray
    users: list[str]
    skills: list[str]
    items: list[str]

    def of(self, chosen: npt.NDArray[np.bool_]) -> Entries:
        """The rows that ``chosen`` (a mask) names, codes kept."""
        rows = {name: getattr(self, name)[chosen] for name in ("user", "skill", "item", "event", "at_us", "correct")}
        return replace(self, **rows)


@dataclass(frozen=True)
class Responses:
    """Responses of each pupil in order of work. user, item, correct (the share right), at_seconds: one a response (n).

    response, skill: one entry a response and skill (m >= n), ``response`` ascending. users, items, skills: names by
    code, shared between the tables that were read together. Without an item column, or with one that only repeats the
    skill, the first skill stands for the item (``has_items`` is False); without times (``has_times`` is False)
    ``at_seconds`` is NaN. subgroup_of: each pupil's subgroup by code, empty where the pupil's is not told; no entries
    where no file has the column. duration_ms: time taken, one a response, NOT_TIMED where it is not told; is_rapid: a
    rapid guess (:func:`with_rapid_marked`); both without entries where no file has the column. right_from: the
    share from which an outcome reads as right, where only right or wrong will do.
    """

    user: IntArray
    item: IntArray
    correct: FloatArray
    at_seconds: FloatArray
    response: IntArray
    skill: IntArray
    users: list[str]
    items: list[str]
    skills: list[str]
    has_items: bool
    has_times: bool
    subgroup_of: list[str] = field(default_factory=list)
    duration_ms: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    is_rapid: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    right_from: float = 1.0

    @property
    def right(self) -> ByteArray:
        """Each response read as right (1) or wrong (0)."""
        return (self.correct >= self.right_from).astype(np.int8)

    def of(self, chosen: npt.NDArray[np.bool_]) -> Responses:
        """The responses that ``chosen`` (a mask over responses) names, codes kept."""
        entries = chosen[self.response]
        renumbered = np.cumsum(chosen) - 1
        return replace(
            self,
            user=self.user[chosen],
            item=self.item[chosen],
            correct=self.correct[chosen],
            at_seconds=self.at_seconds[chosen],
            response=renumbered[self.response[entries]],
            skill=self.skill[entries],
            duration_ms=self.duration_ms[chosen] if self.duration_ms.size else self.duration_ms,
            is_rapid=self.is_rapid[chosen] if self.is_rapid.size else self.is_rapid,
        )

    def first_attempts(self, spacing_seconds: float) -> npt.NDArray[np.bool_]:
        """Which responses count: a pupil's first at an item, and later ones so long after the last work on it.

        Without items every response counts; without times only the first at an item. Rapid guesses never do, though
        they show the item as well.
        """
        counted = self._first_seen(spacing_seconds)
        return counted & ~self.is_rapid if self.is_rapid.size else counted

    def _first_seen(self, spacing_seconds: float) -> npt.NDArray[np.bool_]:
        """Which responses would count, were none a rapid guess."""
        if not self.has_items:
            return np.ones(self.user.size, dtype=bool)
        cell = self.user * len(self.items) + self.item
        order = np.argsort(cell, kind="stable")
        is_again = np.r_[False, cell[order][1:] == cell[order][:-1]][: order.size]
        passed = np.r_[np.inf, np.diff(self.at_seconds[order])][: order.size]
        counted = np.empty(self.user.size, dtype=bool)
        counted[order] = ~is_again | (np.nan_to_num(passed, nan=0.0) >= spacing_seconds)
        return counted

    def entry_offsets(self) -> IntArray:
        """Bounds (n + 1) of each response's entries."""
        return np.searchsorted(self.response, np.arange(self.user.size + 1)).astype(np.int64)

    def first_skill(self) -> IntArray:
        """The first skill of each response."""
        first: IntArray = self.skill[self.entry_offsets()[:-1]]
        return first


def with_rapid_marked(parts: list[Responses], rule: EvidenceRule, fit: FitRule) -> list[Responses]:
    """The parts (codes shared) with their rapid guesses marked, as nights would; as they are where no times are told.

    Items have limits of their own from the first attempts of the first part, which is the one that models are fitted
    on.
    """
    taught = parts[0]
    if not taught.duration_ms.size:
        return parts
    first = taught.of(taught.first_attempts(rule.spacing_seconds))
    own = np.full(len(taught.items), NO_LIMIT, dtype=np.int64)
    if taught.has_items:
        own = own_limits(first.item, first.duration_ms, len(taught.items), fit.rapid)
    keys = item_keys(pa.array(taught.items, pa.string()))
    limits = RapidLimits.of(rule.rapid_guess_ms, (keys, own), rule.rapid_guess_ms_by_item)
    return [replace(part, is_rapid=limits.are_rapid(keys[part.item], part.duration_ms)) for part in parts]


def from_entries(entries: Entries, right_from: float, *, has_items: bool = True) -> Responses:
    """The entries as responses in order of work: rows of one event are one response on several skills.

    Where no answer names an item (``has_items`` False) the first skill stands for it.
    """
    order = np.lexsort((entries.skill, entries.event, entries.at_us))
    event = entries.event[order]
    is_first = np.r_[True, event[1:] != event[:-1]][: order.size]
    first = order[is_first]
    return Responses(
        user=entries.user[first],
        item=(entries.item if has_items else entries.skill)[first],
        correct=entries.correct[first],
        at_seconds=entries.at_us[first] / 1e6,
        response=np.cumsum(is_first) - 1,
        skill=entries.skill[order],
        users=entries.users,
        items=entries.items if has_items else entries.skills,
        skills=entries.skills,
        has_items=has_items,
        has_times=True,
        right_from=right_from,
    )


def item_names(table: pa.Table) -> pa.ChunkedArray:
    """The item of each row of evidence; one that is not named is one of its competency and day, as nights judge it."""
    day = table["work_date"].cast(pa.string())
    unnamed = pc.binary_join_element_wise("", table["competency_id"].cast(pa.string()), day, "#")
    return pc.coalesce(table["item_id"].cast(pa.string()), unnamed)


def read_table(path: Path) -> pa.Table:
    """The file as an Arrow table, identifiers as text.

    Raises CairnError naming the file where it cannot be read or lacks a column, the first row where a pupil, skill or
    time is empty or ``correct`` is not 0 or 1, and a pupil who is of two subgroups.
    """
    if not path.is_file():
        raise CairnError(f"{path}: no such file: give a parquet or csv of responses ({', '.join(NEEDED)})")
    as_text = csv.ConvertOptions(column_types={name: pa.string() for name in IDENTIFIERS})
    try:
        is_parquet = path.suffix == ".parquet"
        table = parquet.read_table(path) if is_parquet else csv.read_csv(path, convert_options=as_text)
    except (pa.ArrowInvalid, OSError) as error:
        raise CairnError(f"{path}: neither parquet nor csv ({str(error).splitlines()[0]}): export it again") from error
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise CairnError(f"{path}: column {', '.join(missing)} is missing: the file needs {', '.join(NEEDED)}")
    for name in ("user_id", "skill_id"):
        text = table[name].cast(pa.string())
        _refuse(path, pc.fill_null(pc.equal(text, ""), True), f"{name} is empty: leave such rows out, or name it")
    correct = _numbers(path, table, "correct")
    scored = pc.is_in(correct, value_set=pa.array([0.0, 1.0]))
    _refuse(path, pc.invert(scored), "correct is neither 0 nor 1: score the responses first")
    table = table.set_column(table.schema.get_field_index("correct"), "correct", correct)
    for name in ("timestamp", "t"):
        if name in table.column_names:
            table = _timed(path, table, name)
    table = one_row_an_act(path, table, SKILL_SEPARATOR)
    if "duration_ms" in table.column_names:
        taken = _numbers(path, table, "duration_ms")
        is_bad = pc.or_(pc.less(taken, 0.0), pc.invert(pc.is_finite(taken)))
        _refuse(path, pc.fill_null(is_bad, False), "duration_ms is negative or no number: leave it empty if unknown")
        table = table.set_column(table.schema.get_field_index("duration_ms"), "duration_ms", taken)
    return _grouped(path, table) if "subgroup" in table.column_names else table


def _grouped(path: Path, table: pa.Table) -> pa.Table:
    """The table with ``subgroup`` as text, empty where it is not told. Raises CairnError as :func:`read_table` does."""
    try:
        group = pc.utf8_trim_whitespace(pc.fill_null(table["subgroup"].cast(pa.string()), ""))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CairnError(f"{path}: column subgroup holds no text: write one name a pupil, or leave it out") from error
    pupils = table["user_id"].cast(pa.string())
    first: dict[str, str] = {}
    for pupil, name in zip(*_each_once(pupils, group), strict=True):
        if name and first.setdefault(pupil, name) != name:
            both = f"{first[pupil]!r} and {name!r}"
            raise CairnError(f"{path}: pupil {pupil} is of subgroups {both}: a pupil has one, the same in every row")
    return table.set_column(table.schema.get_field_index("subgroup"), "subgroup", group)


def _each_once(pupils: pa.ChunkedArray, group: pa.ChunkedArray) -> tuple[list[str], list[str]]:
    """(pupil, subgroup) as they occur together, each once."""
    both = pa.table({"pupil": pupils, "group": group}).group_by(["pupil", "group"], use_threads=False).aggregate([])
    return both["pupil"].to_pylist(), both["group"].to_pylist()


def _numbers(path: Path, table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column as doubles. Raises CairnError where it holds anything else."""
    try:
        return table[name].cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CairnError(f"{path}: column {name} holds no numbers ({str(error).splitlines()[0]})") from error


def _timed(path: Path, table: pa.Table, name: str) -> pa.Table:
    """The table with ``name`` as doubles (``timestamp``: seconds since 1970), without it where it is empty all over."""
    kind, place = table.schema.field(name).type, table.schema.get_field_index(name)
    if table[name].null_count == table.num_rows:
        return table.remove_column(place)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        instants = table[name].cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        values = pc.divide(instants.cast(pa.float64(), safe=False), 1e6)
    else:
        values = _numbers(path, table, name)
        if name == "timestamp":
            values = pc.divide(values, _unit(arrow.floats(values)))
    _refuse(path, pc.fill_null(pc.is_nan(values), True), f"{name} is empty: leave such rows out, or the whole column")
    return table.set_column(place, name, values)


def _unit(numbers: FloatArray) -> float:
    """How many of a time stamp's unit make a second, told by the size of the largest."""
    largest = float(np.nanmax(np.abs(numbers), initial=0.0))
    return 1e6 if largest >= MICROSECONDS_FROM else 1e3 if largest >= MILLISECONDS_FROM else 1.0


def _refuse(path: Path, is_bad: pa.ChunkedArray, what: str) -> None:
    """Raise CairnError naming the first bad row (1 is the first below a header) and how many there are."""
    places = np.flatnonzero(is_bad.to_numpy())
    if places.size:
        more = f" (so are {places.size - 1} rows more)" if places.size > 1 else ""
        raise CairnError(f"{path}: row {places[0] + 1}: {what}{more}")


def responses_from(tables: list[tuple[Path, pa.Table]]) -> list[Responses]:
    """The responses of each table of :func:`read_table`, with codes shared between them."""
    has_times = all("timestamp" in table.column_names for _, table in tables)
    parts = [_plain(table, has_times) for _, table in tables]
    whole = pa.concat_tables(parts)
    user, users = arrow.coded(whole["user_id"])
    response, skill, skills = _skills(whole["skill_id"])
    starts = np.searchsorted(response, np.arange(whole.num_rows))
    named = pc.not_equal(whole["item_id"], "")
    # An item that is not named is one of its skill; a column that only repeats the skill says nothing about items.
    whole_item = pc.if_else(named, whole["item_id"], pc.binary_join_element_wise("", whole["skill_id"], "#"))
    item, items = arrow.coded(whole_item)
    has_items = bool(pc.any(named).as_py()) and not _is_same(item, arrow.coded(whole["skill_id"])[0])
    if not has_items:
        item, items = skill[starts], skills
    has_durations = all("duration_ms" in table.column_names for _, table in tables)
    everything = Responses(
        user=user,
        item=item,
        correct=arrow.floats(whole["correct"]),
        at_seconds=arrow.floats(whole["at_seconds"]),
        response=response,
        skill=skill,
        users=users,
        items=items,
        skills=skills,
        has_items=has_items,
        has_times=has_times,
        subgroup_of=_subgroups([table for _, table in tables], users),
        duration_ms=arrow.integers(whole["duration_ms"], NOT_TIMED) if has_durations else np.zeros(0, dtype=np.int64),
    )
    part = np.repeat(np.arange(len(parts)), [table.num_rows for _, table in tables])
    return [everything.of(part == i) for i in range(len(parts))]


def _subgroups(tables: list[pa.Table], users: list[str]) -> list[str]:
    """Each pupil's subgroup; nothing where no table has them. Of files that disagree the last is believed."""
    told: dict[str, str] = {}
    has_any = False
    for table in tables:
        if "subgroup" in table.column_names:
            has_any = True
            pairs = zip(*_each_once(table["user_id"].cast(pa.string()), table["subgroup"]), strict=True)
            told |= {pupil: name for pupil, name in pairs if name}
    return [told.get(user, "") for user in users] if has_any else []


def _plain(table: pa.Table, has_times: bool) -> pa.Table:
    """user_id, skill_id, item_id (empty for none) as text, correct, at_seconds, duration_ms; in order of work."""
    columns = {name: table[name].cast(pa.string()) for name in ("user_id", "skill_id")}
    nothing = pa.nulls(table.num_rows, pa.string())
    item = table["item_id"].cast(pa.string()) if "item_id" in table.column_names else nothing
    columns["item_id"] = pc.fill_null(item, "")
    at = arrow.floats(table["timestamp"]) if has_times else np.full(table.num_rows, np.nan)
    correct = arrow.floats(table["correct"])
    is_told = "duration_ms" in table.column_names
    taken = table["duration_ms"] if is_told else pa.nulls(table.num_rows, pa.float64())
    columns["duration_ms"] = pc.round(taken).cast(pa.int64())
    plain = pa.table({**columns, "correct": pa.array(correct), "at_seconds": pa.array(at)})
    return plain.take(_order(table))


def _order(table: pa.Table) -> IntArray:
    """Order of work: by timestamp, t or order_id (a number); equal ones, and all without, keep the file's order."""
    for name in ("timestamp", "t", ORDER_ID):
        if name in table.column_names and _is_ordered(table[name]):
            return np.argsort(arrow.floats(table[name]), kind="stable").astype(np.int64)
    return np.arange(table.num_rows)


def _is_ordered(column: pa.ChunkedArray) -> bool:
    """Whether the values say an order: numbers, in every row."""
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return bool(is_number and column.null_count == 0)


def _is_same(first: IntArray, second: IntArray) -> bool:
    """Whether two codings tell the same rows apart."""
    both = np.unique(np.stack([first, second]), axis=1).shape[1]
    return bool(both == np.unique(first).size == np.unique(second).size)


def _skills(column: pa.ChunkedArray) -> tuple[IntArray, IntArray, list[str]]:
    """(response, skill code) entries and skill names; ``a~~b`` is two skills, ``a~~a`` one."""
    lists = pc.split_pattern(column, SKILL_SEPARATOR).combine_chunks()
    codes, names = arrow.coded(pc.list_flatten(lists))
    parents = pc.list_parent_indices(lists).cast(pa.int64()).to_numpy()
    first = np.sort(np.unique(parents * max(1, len(names)) + codes, return_index=True)[1])
    return parents[first], codes[first], names
