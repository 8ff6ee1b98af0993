"""Small lakes for mastery tests: events as dicts, written as the real Delta tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.mastery import ledger
from cairn.mastery.share.formula import GAP_WEIGHT, LOSSES_WEIGHT, PATTERNS, REFERENCE_POINTS, WEIGHTS, WINS_WEIGHT
from cairn.settings import Settings

ZONE = ZoneInfo("America/Chicago")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def write(settings: Settings, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append rows to a lake table, absent columns null; without Spark, so that tests are quick."""
    lake.create(settings, name)
    lake.append(settings, name, pa.Table.from_pylist([dict(row) for row in rows], lake.file_schema(name)))


def event(
    event_id: str, subject: str, item: str | None, at: datetime, success: bool | None, **more: Any
) -> dict[str, Any]:
    """A row of silver.learner_activity."""
    return {
        "event_id": event_id,
        "content_hash": "h",
        "schema_version": "1",
        "source_id": "app",
        "source_statement_id": f"st-{event_id}",
        "received_at": at,
        "received_date": at.astimezone(ZONE).date(),
        "event_time": at,
        "work_date": at.astimezone(ZONE).date(),
        "subject_key": subject,
        "org_id": "school-1",
        "class_id": "class-1",
        "activity_type": "attempt",
        "item_id": item,
        "success": success,
        "duration_ms": 20_000,
        "ingest_date": at.astimezone(ZONE).date(),
        "kafka_partition": 0,
        "kafka_offset": 0,
        "intake_app_id": "test",
        "batch_id": 0,
        **more,
    }


def link(subject: str, student: str) -> dict[str, Any]:
    """A row of silver.identity_link that always held."""
    return {
        "subject_key": subject,
        "student_key": student,
        "valid_from": LONG_AGO,
        "recorded_from": LONG_AGO,
        "reason": "roster",
    }


def pupil(student: str, school: str) -> dict[str, Any]:
    """A row of silver.person."""
    who = {"student_key": student, "role": "student", "school_id": school, "is_enabled": True, "status": "active"}
    return {**who, "recorded_from": LONG_AGO}


def competency(name: str) -> dict[str, Any]:
    """A row of silver.competency."""
    return {
        "competency_id": name,
        "framework_id": "framework",
        "code": name.upper(),
        "title": f"Title of {name}",
        "full_statement": name,
        "is_leaf": True,
        "recorded_from": LONG_AGO,
    }


def alignment(item: str, name: str, first: date | None = None) -> dict[str, Any]:
    """A row of silver.item_alignment."""
    return {"item_id": item, "competency_id": name, "valid_from_date": first, "recorded_from": LONG_AGO}


def share_model_rows(version: str = "share-test", *, is_active: bool = True, **more: float) -> list[dict[str, Any]]:
    """The row ``*`` of gold.mastery_model of a model to reason about, so that nothing has to be fitted.

    Its logit depends on how many were right, how many were wrong and the gap alone (``more``: intercept, right, wrong,
    gap, level of the doubt). Asked a week after the last work, 3 of 3 right is a share of .87, 4 of 4 of .92 (surely
    above .75), 5 of 5 of .95, 4 of 5 of .74, 5 of 6 of .82, 5 of 7 of .67, 8 of 10 of .85. That of 4 of 4 falls under
    .80 on the 67th day after the last work: review is due on the 60th.
    """
    of = {"intercept": -0.555, "right": 2.5, "wrong": -2.0, "gap": -0.494, "level": -1.2, **more}
    weights = [0.0] * (WEIGHTS + PATTERNS)
    weights[0], weights[1], weights[WINS_WEIGHT], weights[LOSSES_WEIGHT] = (
        of["intercept"],
        1.0,
        of["right"],
        of["wrong"],
    )
    weights[GAP_WEIGHT] = of["gap"]
    return [
        {
            "model_version": version,
            "competency_id": "*",
            "model": "share",
            "weights": weights,
            "reference": [0.0] * REFERENCE_POINTS,
            "easiness": 0.0,
            "doubt": [of["level"], 0.0, 0.0, 0.0],
            "responses": 0,
            "fitted_at": LONG_AGO,
            "is_active": is_active,
        }
    ]


def seed(settings: Settings, students: Iterable[str], items: Mapping[str, str]) -> None:
    """Links (subject ``s-<student>``), competencies, alignments and the model."""
    write(settings, "silver.identity_link", [link(f"s-{student}", student) for student in students])
    write(settings, "silver.competency", [competency(name) for name in sorted(set(items.values()))])
    write(settings, "silver.item_alignment", [alignment(item, name) for item, name in items.items()])
    write(settings, "gold.mastery_model", share_model_rows())


def rows(settings: Settings, name: str, *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """All rows of a table, sorted, doubles rounded, without some columns."""
    return plain(lake.read(settings, name, partitions=lake.EVERY), without)


def plain(table: pa.Table, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The rows of a table, sorted, doubles rounded, without some columns."""
    found = []
    for row in table.to_pylist():
        found.append({k: round(v, 9) if isinstance(v, float) else v for k, v in row.items() if k not in without})
    return sorted(found, key=lambda row: str(sorted(row.items(), key=lambda cell: cell[0])))


# Which night wrote a row says nothing of what it says.
OF_NIGHT = ("data_date", "night", "is_base", "is_removed", "pupil_bucket", "recorded_at", "reason")


def _current(settings: Settings, name: str, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    newest = ledger.newest(lake.read(settings, name, partitions=lake.EVERY), keys)
    return plain(newest.filter(pc.invert(newest["is_removed"])), OF_NIGHT)


def states(settings: Settings) -> list[dict[str, Any]]:
    """Where pairs stand now."""
    return _current(settings, "gold.mastery_state", ("pair_key",))


def days(settings: Settings) -> list[dict[str, Any]]:
    """Day totals as they stand now."""
    return _current(settings, "gold.attempt_day", ("pair_key", "work_date"))


def standing(settings: Settings) -> list[dict[str, Any]]:
    """Standing decisions: newest row of each decision_id, where it is not a retraction; without when recorded."""
    newest = ledger.newest(lake.read(settings, "gold.mastery_decision", partitions=lake.EVERY), ("decision_id",))
    return plain(newest.filter(pc.invert(newest["is_retraction"])), OF_NIGHT)


def minutes(day: date, offset: int) -> datetime:
    """An instant ``offset`` minutes after 09:00 local of the day, in UTC."""
    return (datetime(day.year, day.month, day.day, 9, tzinfo=ZONE) + timedelta(minutes=offset)).astimezone(UTC)
