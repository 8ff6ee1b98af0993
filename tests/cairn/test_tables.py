"""Small tables without Spark: by contract, retried, empty where never written."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime

import pyarrow as pa
import pytest

import lake
from cairn.settings import Settings

NOW = datetime(2026, 10, 14, 7, tzinfo=UTC)


def decision(pilot_id: str) -> dict[str, object]:
    return {
        "pilot_id": pilot_id,
        "decided_at": NOW,
        "decision": "ITERATE",
        "recommendation": "ITERATE",
        "decided_by_role": "central_office",
        "plan_hash": "h",
        "evaluation_id": "e",
    }


def test_a_table_never_written_reads_as_empty_with_its_columns(settings: Settings) -> None:
    assert lake.read(settings, "gold.pilot_decision", columns=["pilot_id"]).schema.names == ["pilot_id"]
    assert lake.read(settings, "gold.pilot_decision").num_rows == 0


def test_what_is_appended_is_read_back_with_filters(settings: Settings) -> None:
    assert lake.append(settings, "gold.pilot_decision", [decision("a"), decision("b")]) == 2
    assert lake.append(settings, "gold.pilot_decision", []) == 0
    found = lake.read(settings, "gold.pilot_decision", filters=pa.compute.field("pilot_id") == "b")
    assert found.to_pylist()[0]["decided_at"] == NOW


def test_a_value_that_breaks_the_contract_is_refused(settings: Settings) -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError, ValueError)):
        lake.append(settings, "gold.pilot_decision", [decision("a") | {"decided_at": "yesterday"}])


def test_appends_at_the_same_time_all_land(settings: Settings) -> None:
    lake.append(settings, "gold.pilot_decision", [decision("first")])
    threads = [
        threading.Thread(target=lake.append, args=(settings, "gold.pilot_decision", [decision(str(number))]))
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.read(settings, "gold.pilot_decision").num_rows == 7


def test_a_process_that_ends_right_after_a_read_ends_well(settings: Settings) -> None:
    """A thread of the reader that calls Python while the interpreter ends aborts it, every third time or so."""
    lake.append(settings, "gold.pilot_decision", [decision("a")])
    code = "import lake; from cairn.settings import Settings; lake.read(Settings(), 'gold.pilot_decision')"
    for _ in range(3):
        running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
        ended = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
        assert [status for _, status in ended] == [0] * 4, ended
