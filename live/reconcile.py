"""Live against a night: the same pupils at the night's offsets, instant and versions, compared with gold row by row.

Live's side is folded from what the night *before* left and the events that live itself took from the topic up to the
offsets that the night has counted; links, alignments, model and policy are those of the night, and so is the instant.
The night's side is gold.mastery_state at the versions of its row in ops.night. Compared are all pairs of every pupil
for whom something came since the night before: which pairs there are, and of each every column that says something
(texts and whole numbers exactly, others to 1e-9). So the comparison holds intake (every event read once, repeats and
conflicts judged alike), evidence (voids, late work) and fold against each other.

Left out, and counted: pupils of schools that are held back, of buckets that the night could not read, and pupils whose
identity links changed between the nights (their earlier work lies with somebody else).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.mastery import arrow, hashing
from cairn.mastery.ledger import newest
from cairn.mastery.share.model import GENERAL
from live.base import Base, by_bucket
from live.fold import stand
from live.store import Store
from spark_jobs.night_record import STATE

SAME = 1e-9
# When a row was written says nothing of what it says.
OF_NIGHT = frozenset({"data_date", "night", "is_base", "is_removed", "pupil_bucket"})
PUPILS_AT_ONCE = 500


@dataclass
class Reconciliation:
    """What the comparison with one night found.

    differences: pairs of which anything differs, or which only one side has; by_column says of which columns.
    """

    night: int
    data_date: date
    as_of: datetime
    model_version: str
    policy_version: str
    offsets: dict[str, int]
    pupils: int = 0
    pairs: int = 0
    differences: int = 0
    by_column: dict[str, int] = field(default_factory=dict)
    pupils_held: int = 0
    pupils_unread: int = 0
    pupils_relinked: int = 0
    note: str = ""
    seconds: float = 0.0
    compared_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_dict(self) -> dict[str, Any]:
        """For JSON and the store."""
        return asdict(self)


def reconcile(base: Base, store: Store, after: Base) -> Reconciliation:
    """Compare the pupils for whom something came since ``base`` with what a later night left, at its offsets.

    Where the district's rules are other ones than those of the night, nothing is compared and the note says so.
    """
    started = time.monotonic()
    record = after.record
    found = Reconciliation(
        night=record.night,
        data_date=record.data_date,
        as_of=record.as_of,
        model_version=record.model_versions[GENERAL],
        policy_version=record.policy_version,
        offsets={str(partition): offset for partition, offset in sorted(after.offsets.items())},
    )
    if after.config.policy_version != record.policy_version:
        found.note = f"not compared: the district's rules are {after.config.policy_version} since"
        return found
    students = _to_compare(base, after, store, found)
    meant = base.under(after)
    for begin in range(0, len(students), PUPILS_AT_ONCE):
        some = students[begin : begin + PUPILS_AT_ONCE]
        ours = stand(meant, store, some, record.as_of, after.offsets).states
        _compare(ours, night_states(after, some), found)
    found.pupils = len(students)
    found.seconds = round(time.monotonic() - started, 3)
    return found


def _to_compare(base: Base, after: Base, store: Store, found: Reconciliation) -> list[str]:
    """The pupils to compare; those that are left out are counted."""
    relinked = base.relinked(after)
    students = sorted(set(store.students()) | set(after.students_of(store.scored_subjects())))
    buckets = hashing.buckets_of(pa.array(students, pa.string()), after.record.pupil_buckets).tolist()
    chosen = []
    for student, bucket in zip(students, buckets, strict=True):
        if student in after.held or student in base.held:
            found.pupils_held += 1
        elif bucket in after.record.unfinished_buckets:
            found.pupils_unread += 1
        elif student in relinked:
            found.pupils_relinked += 1
        else:
            chosen.append(student)
    return chosen


def night_states(base: Base, students: Sequence[str]) -> pa.Table:
    """Rows of gold.mastery_state that stand of some pupils, at the night's version."""
    version = base.record.versions[STATE]
    columns = [name for name in lake.file_schema(STATE).names if name not in ("pupil_bucket", "is_base")]
    parts = [lake.read_schema(STATE, columns, ()).empty_table()]
    for bucket, some in sorted(by_bucket(students, base.record.pupil_buckets).items()):
        files = lake.table_files(base.settings, STATE, {"pupil_bucket": [bucket]}, version)
        names = pa.array(some, pa.string())
        parts.append(lake.read_named(base.settings, STATE, files, "student_key", names, columns))
    rows = newest(pa.concat_tables([arrow.plain(part) for part in parts]), ("pair_key",))
    return rows.filter(pc.invert(rows["is_removed"]))


def _compare(ours: pa.Table, theirs: pa.Table, found: Reconciliation) -> None:
    here, there = arrow.integers(ours["pair_key"]), arrow.integers(theirs["pair_key"])
    both = np.intersect1d(here, there)
    alone = here.size + there.size - 2 * both.size
    found.pairs += both.size + alone
    is_other = np.zeros(both.size, dtype=bool)
    if alone:
        found.by_column["pair_key"] = found.by_column.get("pair_key", 0) + alone
    left = ours.take(pa.array(arrow.places_in(here, both)))
    right = theirs.take(pa.array(arrow.places_in(there, both)))
    for name in left.column_names:
        if name in OF_NIGHT:
            continue
        differs = _differs(left[name], right[name])
        if differs.any():
            found.by_column[name] = found.by_column.get(name, 0) + int(differs.sum())
        is_other |= differs
    found.differences += alone + int(is_other.sum())


def _differs(left: pa.ChunkedArray, right: pa.ChunkedArray) -> Any:
    if pa.types.is_floating(left.type):
        one, other = arrow.floats(left), arrow.floats(right)
        return ~np.isclose(one, other, rtol=0.0, atol=SAME, equal_nan=True)
    pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
    return np.array([one != other for one, other in pairs], dtype=bool)
