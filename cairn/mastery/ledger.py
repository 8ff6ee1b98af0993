"""What a night changes: computed rows against those that stand. Pure, on Arrow tables in the contracts' columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import numpy as np

from cairn.mastery import arrow
from cairn.mastery.evidence import BoolArray

PAIR = ("student_key", "competency_id")
# Matrices that differ by less are the same stretch.
SAME = 1e-12
_SEPARATOR = "\x1f"


def keys(table: Any, columns: Sequence[str] = PAIR) -> Any:
    """One text a row made of the columns: equal where all of them are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [table[name].cast(pa.string()) for name in columns]
    joined = pc.binary_join_element_wise(*parts, _SEPARATOR)
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def places(table: Any, others: Any, columns: Sequence[str] = PAIR) -> Any:
    """For each row the place of the other table's row with the same values in the columns; null where it has none."""
    import pyarrow.compute as pc

    return pc.index_in(keys(table, columns), value_set=keys(others, columns))


def is_among(table: Any, others: Any, columns: Sequence[str] = PAIR) -> Any:
    """A mask over the rows: whether the other table has a row with the same values in the columns."""
    import pyarrow.compute as pc

    return pc.is_valid(places(table, others, columns))


def without(table: Any, others: Any, columns: Sequence[str] = PAIR) -> Any:
    """The rows that the other table has none like."""
    import pyarrow.compute as pc

    return table.filter(pc.invert(is_among(table, others, columns)))


def set_column(table: Any, name: str, value: Any) -> Any:
    """The table with one value in all rows of a column, type kept."""
    import pyarrow as pa

    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array([value] * table.num_rows, table.schema.field(name).type))


def newest(table: Any, columns: Sequence[str]) -> Any:
    """The newest night's row for each combination of the columns."""
    import pyarrow as pa

    code, _ = arrow.coded(keys(table, columns))
    order = np.lexsort((arrow.integers(table["data_date"]), code))
    is_last = np.r_[code[order][1:] != code[order][:-1], True][: order.size]
    return table.take(pa.array(order[is_last]))


def segment_changes(computed: Any, earlier: Any, data_date: date) -> Any:
    """Rows to append: stretches that differ from the newest of earlier nights, and empty ones for those that are gone.

    Both tables hold the touched pairs only; ``earlier`` the rows of the nights before.
    """
    import pyarrow as pa

    day = (*PAIR, "work_date")
    standing = newest(earlier, day)
    standing = standing.filter(pa.array(arrow.integers(standing["counted_attempts"]) > 0))
    changed = computed.filter(pa.array(~_is_same_stretch(computed, standing, day)))
    gone = without(standing, computed, day)
    empty = {"data_date": data_date, "counted_attempts": 0, "counted_correct": 0, "log_scale": 0.0}
    for name, value in {**empty, "m00": 1.0, "m01": 0.0, "m10": 0.0, "m11": 1.0}.items():
        gone = set_column(gone, name, value)
    return pa.concat_tables([changed, gone.select(changed.column_names).cast(changed.schema)])


def _is_same_stretch(computed: Any, standing: Any, day: Sequence[str]) -> BoolArray:
    """Which computed rows have a standing row of the same content."""
    import pyarrow.compute as pc

    place = places(computed, standing, day)
    found = np.asarray(pc.is_valid(place))
    twin = standing.take(pc.fill_null(place, 0)) if standing.num_rows else computed
    same: BoolArray = found.copy()
    for name in ("counted_attempts", "counted_correct", "last_event_at"):
        same &= arrow.integers(computed[name]) == arrow.integers(twin[name])
    for name in ("m00", "m01", "m10", "m11", "log_scale"):
        same &= np.abs(arrow.floats(computed[name]) - arrow.floats(twin[name])) <= SAME
    same &= np.asarray(pc.equal(computed["model_version"], twin["model_version"]))
    return same


def decision_changes(computed: Any, earlier: Any, tonight: Any, data_date: date, now: datetime) -> Any:
    """Rows to append: new decisions, and retractions of those that no longer follow from the evidence.

    All tables hold the touched pairs only: ``earlier`` the rows of the nights before, ``tonight`` what this night wrote
    when it ran before, whose recorded_at is kept.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    standing = newest(earlier, ("decision_id",))
    standing = standing.filter(pc.invert(standing["is_retraction"]))
    added = without(computed, standing, ("decision_id",))
    gone = without(standing, computed, ("decision_id",)).select(computed.column_names).cast(computed.schema)
    gone = set_column(set_column(gone, "is_retraction", True), "data_date", data_date)
    rows = pa.concat_tables([added, gone])
    row = ("decision_id", "is_retraction")
    place = places(rows, tonight, row)
    fresh = pa.array([now] * rows.num_rows, pa.timestamp("us", tz="UTC"))
    kept = tonight["recorded_at"].take(place) if tonight.num_rows else fresh
    return rows.append_column("recorded_at", pc.coalesce(kept, fresh))


def ready_to_learn(states: Any, edges: Any, data_date: date) -> list[dict[str, Any]]:
    """Outer fringe: competencies whose direct prerequisites are all mastered and which are not mastered themselves.

    ``states``: student_key, competency_id, state, state_since_at; ``edges``: from_competency_id, to_competency_id of
    ``precedes``. Competencies without prerequisites are left out: everybody is ready for them. Review due is not
    mastered: the pupil reviews first.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    needed: dict[str, set[str]] = {}
    for edge in edges.select(["from_competency_id", "to_competency_id"]).to_pylist():
        needed.setdefault(edge["to_competency_id"], set()).add(edge["from_competency_id"])
    student, students = arrow.coded(states["student_key"])
    competency, names = arrow.coded(states["competency_id"])
    since = arrow.integers(states["state_since_at"])
    is_mastered = np.asarray(pc.equal(states["state"], "mastered"))
    has_own = is_mastered | np.asarray(pc.equal(states["state"], "review_due"))
    code_of = {name: code for code, name in enumerate(names)}
    reached = {code: student[is_mastered & (competency == code)] for code in set(competency[is_mastered].tolist())}
    when = {code: since[is_mastered & (competency == code)] for code in reached}
    rows: list[dict[str, Any]] = []
    for target, before in sorted(needed.items()):
        codes = [code_of.get(name, -1) for name in before]
        if any(code not in reached for code in codes):
            continue
        count = np.zeros(len(students), dtype=np.int64)
        latest = np.zeros(len(students), dtype=np.int64)
        for code in codes:
            count[reached[code]] += 1
            np.maximum.at(latest, reached[code], when[code])
        is_ready = count == len(codes)
        is_ready[student[has_own & (competency == code_of.get(target, -1))]] = False
        instants = pa.array(latest, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        rows += [
            {
                "student_key": students[i],
                "competency_id": target,
                "prerequisites": len(codes),
                "ready_since_at": instants[i].as_py(),
                "data_date": data_date,
            }
            for i in np.flatnonzero(is_ready)
        ]
    return rows
