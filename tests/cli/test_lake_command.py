"""``cairn lake``: small files become few, keys are filed, also beside an intake that runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import lake
from cairn.settings import Settings
from cli.lake import app
from spark_jobs import intake_state, key_index
from spark_jobs.xxhash import xxhash64

AT = datetime(2026, 10, 14, 15, tzinfo=UTC)
BATCHES = 3


@pytest.fixture
def home(settings: Settings) -> Settings:
    """Three batches of one event each."""
    for batch_id in range(BATCHES):
        row = {"intake_app_id": "app", "batch_id": batch_id, "end_offsets": "{}", "records": 1, "written_at": AT}
        lake.append_rows(settings, "ops.intake_batch", [row | {"written_date": AT.date()}], ("app", batch_id))
        key = {"event_id": f"event-{batch_id}", "content_hash": "c", "subject_key": "s1_a", "intake_app_id": "app"}
        [hashed] = xxhash64(pa.array([key["event_id"]])).tolist()
        lake.append_rows(
            settings, key_index.TABLE, [key | {"batch_id": batch_id, "event_hash": hashed}], ("app", batch_id)
        )
    return settings


def run(*arguments: str) -> dict[str, object]:
    """What a command prints as JSON."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    printed: dict[str, object] = json.loads(result.stdout)
    return printed


def small_files() -> dict[str, int]:
    """Files to merge by table, as status shows them."""
    tables = run("status")["tables"]
    assert isinstance(tables, list)
    return {row["table"]: row["small_files"] for row in tables}


def test_tend_files_and_merges(home: Settings) -> None:
    before = small_files()
    assert (before["ops.intake_batch"], before[key_index.TABLE]) == (BATCHES, BATCHES)
    done = run("tend")
    assert (done["tables_migrated"], done["keys_filed"], done["files_merged"]) == (0, BATCHES, BATCHES)
    assert set(small_files().values()) == {0}
    assert key_index.find_events(home, ["event-1"]).num_rows == 1
    assert run("tend")["files_merged"] == 0


def test_beside_a_running_intake_the_keys_stay_its_own(home: Settings) -> None:
    with intake_state.lease(home):
        assert run("tend")["keys_filed"] == 0
    assert small_files() == small_files() | {"ops.intake_batch": 0, key_index.TABLE: BATCHES}
