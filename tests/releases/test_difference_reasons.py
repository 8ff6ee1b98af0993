"""Why pupils' competencies differ between two releases: one pair for each reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

import lake
from cairn.calendar import DistrictCalendar
from cairn.settings import Settings
from releases import store
from releases.difference_reasons import MART, REASONS, why
from spark_jobs import night_record
from spark_jobs.night_record import EVIDENCE, NightRecord
from tests.spark_jobs.policy_files import STRICTER, listed, save

MONDAY, TUESDAY = date(2026, 10, 12), date(2026, 10, 13)
SAME = {"school_id": "s1", "class_id": "c1", "state": "developing", "expected_share": 0.5, "counted_attempts": 6}
SAME |= {"model_version": "share-1", "policy_version": "p1"}


def evidence(pupil: str, night: int, work_date: date, *, is_removed: bool = False) -> dict[str, Any]:
    return {
        "student_key": pupil,
        "competency_id": "k",
        "event_id": f"{pupil}-{night}-{is_removed}",
        "event_time": datetime(work_date.year, work_date.month, work_date.day, 15, tzinfo=UTC),
        "work_date": work_date,
        "activity_type": "attempt",
        "subject_key": f"s-{pupil}",
        "statement_key": 1,
        "is_removed": is_removed,
        "night": night,
        "pupil_bucket": 0,
    }


def release(folder: Path, data_date: date, read_at: datetime, pupils: dict[str, dict[str, Any]]) -> store.Release:
    path = folder / f"{data_date}.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute(
        f"create table {MART} (student_key varchar, competency_id varchar, school_id varchar, class_id varchar,"
        " state varchar, expected_share double, counted_attempts int, model_version varchar, policy_version varchar)"
    )
    for pupil, changes in pupils.items():
        connection.execute(
            f"insert into {MART} values (?, 'k', ?, ?, ?, ?, ?, ?, ?)", [pupil, *(SAME | changes).values()]
        )
    connection.close()
    return store.Release(f"learning-{data_date}-1", "learning", data_date, read_at, path, read_at=read_at)


@pytest.fixture
def nights(settings: Settings) -> list[datetime]:
    """Two nights on record; the instants at which releases after each read the lake."""
    rows = [
        evidence("unchanged", 1, MONDAY),
        evidence("gone", 1, MONDAY),
        evidence("gone", 2, MONDAY, is_removed=True),
        evidence("gone", 2, TUESDAY),
        evidence("late", 2, MONDAY),
        evidence("late", 2, TUESDAY),
        evidence("fresh", 2, TUESDAY),
    ]
    moments = []
    for number, day in ((1, MONDAY), (2, TUESDAY)):
        lake.create(settings, EVIDENCE)
        lake.append(settings, EVIDENCE, [row for row in rows if row["night"] == number])
        versions = night_record.present_versions(settings)
        night_record.record(
            settings,
            NightRecord(number, "night", day, datetime.now(UTC), versions, "p1", {"*": "share-1"}, pupil_buckets=2),
        )
        moments.append(datetime.now(UTC))
    return moments


def test_each_pair_has_the_first_reason_that_holds(settings: Settings, nights: list[datetime], tmp_path: Path) -> None:
    share = {"expected_share": 0.6}
    changed: dict[str, dict[str, Any]] = {
        "unchanged": {},
        "gone": share,
        "late": share,
        "fresh": share | {"policy_version": "p2"},
        "judged": share | {"policy_version": "p2", "model_version": "share-2"},
        "fitted": share | {"model_version": "share-2"},
        "rests": share | {"state": "review_due"},
        "fades": share,
        "moves": share | {"class_id": "c2"},
        "comes": {},
        "counted otherwise": share | {"counted_attempts": 5},
        "called otherwise": share | {"state": "mastered"},
    }
    before = release(tmp_path, MONDAY, nights[0], {name: {} for name in changed if name != "comes"})
    after = release(tmp_path, TUESDAY, nights[1], changed)
    connection = duckdb.connect()
    for alias, one in (("old", before), ("new", after)):
        connection.execute(f"attach '{one.path}' as {alias} (read_only)")
    found = {one["reason"]: one["pairs"] for one in why(settings, connection, before, after)}
    assert found == {name: 2 if name in ("roster", "time", "other") else 1 for name in REASONS}
    connection.execute("detach new; attach ':memory:' as new")
    assert why(settings, connection, before, after) == [], "an evaluation has no such table"


def test_time_is_no_reason_on_one_data_date(settings: Settings, nights: list[datetime], tmp_path: Path) -> None:
    connection = duckdb.connect()
    releases = []
    for alias, share in (("old", 0.5), ("new", 0.6)):
        (tmp_path / alias).mkdir()
        releases.append(release(tmp_path / alias, TUESDAY, nights[1], {"pupil": {"expected_share": share}}))
        connection.execute(f"attach '{releases[-1].path}' as {alias} (read_only)")
    assert why(settings, connection, *releases) == [{"reason": "other", "pairs": 1}]


def test_a_review_that_a_policy_brings_is_told_from_one_that_time_brings(
    settings: Settings, nights: list[datetime], tmp_path: Path
) -> None:
    """Both carry a later policy than the mastery before them; the one fell due as it began."""
    save(settings, listed({"id": "later", "effective_from": TUESDAY, **STRICTER}))
    begins = DistrictCalendar.load(settings).day_bounds(TUESDAY)[0]
    connection = duckdb.connect()
    since = {"by policy": begins, "by time": begins + timedelta(hours=7), "edited": begins - timedelta(days=3)}
    releases = []
    for alias, day, changes in (
        ("old", MONDAY, {name: {"state": "mastered"} for name in since}),
        ("new", TUESDAY, {name: {"state": "review_due", "policy_version": "p2"} for name in since}),
    ):
        (tmp_path / alias).mkdir()
        releases.append(release(tmp_path / alias, day, nights[len(releases)], changes))
        own = duckdb.connect(str(releases[-1].path))
        own.execute(f"alter table {MART} add column state_since_at timestamptz")
        for name, at in since.items():
            at = at if alias == "new" else begins - timedelta(days=30)
            own.execute(f"update {MART} set state_since_at = ? where student_key = ?", [at, name])
        own.close()
        connection.execute(f"attach '{releases[-1].path}' as {alias} (read_only)")
    assert why(settings, connection, *releases) == [{"reason": "policy", "pairs": 2}, {"reason": "time", "pairs": 1}]
