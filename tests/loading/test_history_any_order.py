"""Any snapshots in any order: the engine gives what plain Python over the whole history gives."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import lake
from cairn.settings import Settings
from loading import history
from loading.snapshot import Change, Snapshot

TABLE = "silver.enrollment"
START = datetime(2026, 8, 17, 12, tzinfo=UTC)
DAYS = [date(2026, 8, 17) + timedelta(days=n) for n in range(4)]
Row = dict[str, Any]


@dataclass
class Oracle:
    """Versions of all keys, by the rules as they are written down, one row at a time."""

    versions: list[Row] = field(default_factory=list)

    def apply(self, snapshot: Snapshot, instant: datetime) -> Change:
        current = {row["enrollment_id"]: row for row in self.versions if row["recorded_to"] is None}
        incoming = {row["enrollment_id"]: dict(row) for row in snapshot.rows}
        added = [key for key in incoming if key not in current]
        changed = [key for key in incoming if key in current and self._differs(incoming[key], current[key])]
        ended = [key for key, row in current.items() if key not in incoming and self._ends(snapshot, key, row)]
        opened = [incoming[key] for key in (*added, *changed)]
        for key in ended:
            begun = current[key]["valid_from_date"]
            if snapshot.ends_on and (begun is None or begun <= snapshot.ends_on):
                opened.append(current[key] | {"valid_to_date": snapshot.ends_on})
        for key in (*changed, *ended):
            current[key]["recorded_to"] = instant
        self.versions += [row | {"recorded_from": instant, "recorded_to": None} for row in opened]
        return Change(len(added), len(changed), len(ended))

    @staticmethod
    def _differs(new: Row, old: Row) -> bool:
        return any(new[name] != old[name] for name in new)

    @staticmethod
    def _ends(snapshot: Snapshot, key: str, row: Row) -> bool:
        until = row["valid_to_date"]
        if snapshot.ends_on and until and until <= snapshot.ends_on:
            return False
        if key in snapshot.ended_ids:
            return True
        in_scope = all(row[column] == value for column, value in snapshot.scope.items())
        return snapshot.is_bulk and key not in snapshot.kept_ids and in_scope


KEYS = st.sampled_from(["e1", "e2", "é3", "e'4"])
ROWS = st.builds(
    lambda key, student, school, begins, ends: {
        "enrollment_id": key,
        "student_key": student,
        "class_id": "c1",
        "school_id": school,
        "role": "student",
        "valid_from_date": begins,
        "valid_to_date": ends,
        "status": "active",
    },
    KEYS,
    st.sampled_from(["", "p_1"]),
    st.sampled_from(["s1", "s2"]),
    st.none() | st.sampled_from(DAYS),
    st.none() | st.sampled_from(DAYS),
)
SNAPSHOTS = st.builds(
    Snapshot,
    table=st.just(TABLE),
    rows=st.lists(ROWS, max_size=4),
    is_bulk=st.booleans(),
    ended_ids=st.lists(KEYS, max_size=2),
    kept_ids=st.lists(KEYS, max_size=2),
    scope=st.sampled_from([{}, {"school_id": "s1"}]),
    ends_on=st.none() | st.sampled_from(DAYS),
)


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(SNAPSHOTS, st.booleans()), min_size=1, max_size=5))
def test_any_snapshots_give_the_history_that_the_rules_give(steps: list[tuple[Snapshot, bool]]) -> None:
    oracle = Oracle()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        for day, (snapshot, is_compacted) in enumerate(steps):
            instant = START + timedelta(days=day)
            assert history.apply(settings, snapshot, instant) == oracle.apply(snapshot, instant)
            if is_compacted:
                lake.compact(settings, TABLE)
        stored = lake.read(settings, TABLE).to_pylist()
    assert sorted(stored, key=_version) == sorted(oracle.versions, key=_version)


def _version(row: Row) -> tuple[str, datetime]:
    return row["enrollment_id"], row["recorded_from"]
