"""A real night over a lake whose silver table drifted: it stops, says why, and goes on from there once mended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from releases import night, store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.warehouse, pytest.mark.timeout(600)]
SILVER = "silver.learner_activity"


def _cut_is_done(settings: Settings, parts: Any) -> None:
    """The state after the cut: this lake was written by hand, so there is no broker to wait for."""
    state = night.fresh_state(parts.DATA_DATE)
    state["steps"][0]["state"] = "done"
    store.write_json(settings.night_dir / f"{parts.DATA_DATE}.json", state)


def _rewrite(settings: Settings, rows: pa.Table) -> None:
    write_deltalake(lake.table_uri(settings, SILVER), rows, mode="overwrite", schema_mode="overwrite")


def test_night_stops_at_a_red_gate_and_resumes(settings: Settings, spark: SparkSession, small_lake_parts: Any) -> None:
    parts = small_lake_parts
    for part in (parts.roster, parts.way_in, parts.pilot):
        part(settings)
    _cut_is_done(settings, parts)
    sound = DeltaTable(lake.table_uri(settings, SILVER)).to_pyarrow_table()

    _rewrite(settings, sound.append_column("surprise", pa.array(["x"] * sound.num_rows)))
    with pytest.raises(CairnError, match=r"stopped at gate_intake: .*learner_activity\.columns.*cairn night resume"):
        night.resume(settings, parts.DATA_DATE)
    assert [step["state"] for step in night.status(settings)["steps"]][:3] == ["done", "failed", "pending"]
    assert store.current(settings, "learning") is None

    # Mended, but one event of North breaks the contract: that school is held back, the night goes on.
    broken = sound.to_pylist()
    next(row for row in broken if row["org_id"] == "s-north")["activity_type"] = "nonsense"
    _rewrite(settings, pa.Table.from_pylist(broken, schema=sound.schema))
    told: list[str] = []
    result = night.resume(settings, parts.DATA_DATE, lambda name, state, _seconds: told.append(f"{name} {state}"))
    assert told[0] == "gate_intake running", "the cut is not made again"
    assert result["state"] == "done"
    release = store.current(settings, "learning")
    assert release is not None
    assert release.release_id == result["release_id"] == f"learning-{parts.DATA_DATE}-1"
    assert ("school", "s-north") in night.status(settings)["held"]
    connection = store.open_release(settings, "learning")
    assert connection.execute("select school_id, is_held_back from mart_school order by 1").fetchall() == [
        ("s-north", True),
        ("s-south", False),
    ]
    gates = connection.execute("select distinct gate from mart_gate_result order by 1").fetchall()
    assert gates == [("before_publish",), ("bronze_to_silver",), ("silver_to_mastery",)]
    connection.close()

    assert night.resume(settings, parts.DATA_DATE)["release_id"] == release.release_id, (
        "a night that is done stays done"
    )
    assert not list(Path(settings.releases_dir / "building").glob("*")), "the working file is gone"
