"""Small release files with every mart, made by hand: what a swap, a hold and a comparison need, without dbt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from cairn.settings import Settings
from gates.mart_models import mart_models
from gates.model import GateOutcome
from releases import holding, learning, store
from tests.marts.small_roster import put

SCHOOLS = ("s1", "s2")
NEEDS = ("school_id", "student_key", "competency_id", "reason", "detail")
PAIR = ("school_id", "student_key", "competency_id", "state", "subject")
Rows = Sequence[tuple[Any, ...]]


def make(settings: Settings, day: date, needs: Rows = (), pairs: Rows = ()) -> store.Release:
    """A build of the day with both schools, rows of mart_needs_adult (NEEDS) and mart_student_competency (PAIR)."""
    folder = store.new_folder(settings, "learning", day)
    with duckdb.connect(str(folder / learning.BUILT)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for mart, model in mart_models().items():
            connection.execute(f"create table {mart} ({', '.join(f'{n} {kind}' for n, kind in model.types.items())})")
        for school in SCHOOLS:
            insert(connection, "mart_school", {"school_id": school, "school_name": school, "is_held_back": False})
            insert(connection, "mart_school_trust", {"school_id": school, "data_date": day, "is_held_back": False})
        for row in needs:
            insert(connection, "mart_needs_adult", dict(zip(NEEDS, row, strict=True)))
        for row in pairs:
            insert(connection, "mart_student_competency", dict(zip(PAIR, row, strict=True)))
    release = store.Release(
        release_id=folder.name,
        kind="learning",
        data_date=day,
        built_at=datetime.now(UTC),
        path=folder / "warehouse.duckdb",
    )
    store.save(release)
    return release


def insert(connection: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, Any]) -> None:
    """One row, other columns null."""
    marks = ", ".join("?" for _ in row)
    connection.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values()))


def states(settings: Settings, pairs: Rows) -> None:
    """gold.mastery_state as the pairs (PAIR) have it, so that the gate finds them alike."""
    rows = [dict(zip(PAIR, pair, strict=True)) for pair in pairs]
    put(
        settings,
        "gold.mastery_state",
        [
            {
                **{key: row[key] for key in ("student_key", "competency_id", "state")},
                "pair_key": number,
                "night": 1,
                "is_base": True,
                "is_removed": False,
                "pupil_bucket": 0,
            }
            for number, row in enumerate(rows)
        ],
    )


def audit(settings: Settings, release: store.Release, *held: str) -> GateOutcome:
    """The real gate on the composed file."""
    return learning.audit(settings, release, held)


def publish(settings: Settings, release: store.Release, *held: str) -> store.Release:
    """Audit by the real gate, then publish."""
    outcome = audit(settings, release, *held)
    assert not outcome.is_structural_failure, outcome.structural_failures()
    return learning.publish(settings, release)


def publish_unseen(settings: Settings, release: store.Release) -> store.Release:
    """Publish a file that no gate looked at: for tests of the swap alone, of which a gate would take a second each."""
    present = store.current(settings, "learning")
    if not release.path.is_file():
        holding.compose(release.path.with_name(learning.BUILT), release.path, {}, present)
    against = present.release_id if present else None
    sha256 = store.sha256_of(release.path)
    store.save(replace(release, audit={"gate_run_id": "none", "sha256": sha256, "against": against}))
    return learning.publish(settings, release)
