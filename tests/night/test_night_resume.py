"""A real night over a lake whose silver table drifted: it stops, says why, and goes on from there once mended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from night import run as night
from night import state as states
from night.status import status
from releases import store
from tests.marts.small_lake import pilot, way_in
from tests.marts.small_roster import DATA_DATE, roster

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.warehouse, pytest.mark.timeout(600)]
SILVER = "silver.learner_activity"
AS_OF = datetime(2026, 10, 15, 7, tzinfo=UTC)


def _cut_is_done(settings: Settings) -> None:
    """The state after the cut: this lake was written by hand, so there is no broker to wait for."""
    state = states.fresh(DATA_DATE)
    state["steps"][0]["state"] = "done"
    state["as_of"] = AS_OF.isoformat()
    states.save(settings, state)


def _rewrite(settings: Settings, rows: pa.Table) -> None:
    write_deltalake(lake.table_uri(settings, SILVER), rows, mode="overwrite", schema_mode="overwrite")


def test_night_stops_at_a_red_gate_and_resumes(settings: Settings, spark: SparkSession) -> None:
    for part in (roster, way_in, pilot):
        part(settings)
    _cut_is_done(settings)
    sound = DeltaTable(lake.table_uri(settings, SILVER)).to_pyarrow_table()

    _rewrite(settings, sound.append_column("surprise", pa.array(["x"] * sound.num_rows)))
    with pytest.raises(CairnError, match=r"stopped at gate_intake: .*learner_activity\.columns.*cairn night resume"):
        night.resume(settings, DATA_DATE)
    assert [step["state"] for step in status(settings)["steps"]][:3] == ["done", "failed", "pending"]
    assert store.current(settings, "learning") is None

    # Mended, but one event of North breaks the contract: that school is held back, the night goes on.
    broken = sound.to_pylist()
    next(row for row in broken if row["org_id"] == "s-north")["activity_type"] = "nonsense"
    _rewrite(settings, pa.Table.from_pylist(broken, schema=sound.schema))
    told: list[str] = []
    result = night.resume(settings, DATA_DATE, lambda name, state, _seconds: told.append(f"{name} {state}"))
    assert told[0] == "gate_intake running", "the cut is not made again"
    assert result["state"] == "done"
    release = store.current(settings, "learning")
    assert release is not None
    assert release.as_of == AS_OF, "marts read rosters and links as of the cut, whenever the night is resumed"
    assert release.release_id == result["release_id"] == f"learning-{DATA_DATE}-1"
    assert ("school", "s-north") in status(settings)["held"]
    connection = store.open_release(settings, "learning")
    assert connection.execute("select school_id, is_held_back from mart_school order by 1").fetchall() == [
        ("s-north", True),
        ("s-south", False),
    ]
    gates = connection.execute("select distinct gate from mart_gate_result order by 1").fetchall()
    assert gates == [("before_publish",), ("bronze_to_silver",), ("silver_to_mastery",)]
    connection.close()

    assert night.resume(settings, DATA_DATE)["release_id"] == release.release_id, "a night that is done stays done"
    assert not list(Path(settings.releases_dir / "building").glob("*")), "the working file is gone"
