"""The intake service killed with SIGKILL in mid-batch, and the broker gone meanwhile: nothing lost, nothing double."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lake
from cairn.settings import Settings
from spark_jobs import intake, intake_state
from spark_jobs.intake_ledger import ledger, totals

pytestmark = [pytest.mark.spark, pytest.mark.broker, pytest.mark.fault, pytest.mark.timeout(600)]

EVENTS = 4_000


class Service:
    """``python -m spark_jobs.intake_service`` on the test's home."""

    def __init__(self, settings: Settings, log: Path) -> None:
        changes = {"CAIRN_HOME": str(settings.home), "CAIRN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap}
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spark_jobs.intake_service"], env=os.environ | changes, stdout=out, stderr=out
            )

    def kill(self) -> None:
        """SIGKILL; Spark's Java process ends with its parent."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start_service(intake_home: Settings, tmp_path: Path) -> Iterator[Callable[[], Service]]:
    """Starts the service; whatever still runs at the end is killed."""
    started: list[Service] = []

    def start() -> Service:
        started.append(Service(intake_home, tmp_path / "intake.log"))
        return started[-1]

    yield start
    for service in started:
        service.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Until the condition holds. Fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.001)


def test_killed_in_mid_batch(
    intake_home: Settings, sender: Any, make_event: Any, start_service: Callable[[], Service]
) -> None:
    sender.events([make_event(n) for n in range(EVENTS // 2)])
    service = start_service()

    # Version 0 is the empty table: version 1 is the batch, of which other tables are still being written.
    bronze = Path(lake.table_uri(intake_home, "bronze.activity")) / "_delta_log" / f"{1:020d}.json"
    wait_for(bronze.exists)
    service.kill()
    was_torn = lake.read(intake_home, "ops.intake_batch", ["batch_id"]).num_rows == 1
    sender.events([make_event(n) for n in range(EVENTS // 2 - 50, EVENTS)])
    again = start_service()
    intake_state.wait_until_passed(intake_home, intake.present_end(intake_home), 240)
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(60) == 0

    found = lake.read(intake_home, "silver.learner_activity", ["event_id"]).column("event_id").to_pylist()
    assert len(found) == EVENTS
    assert set(found) == {make_event(n)["event_id"] for n in range(EVENTS)}
    offsets = lake.read(intake_home, "bronze.activity", ["kafka_partition", "kafka_offset"]).to_pylist()
    assert len({(row["kafka_partition"], row["kafka_offset"]) for row in offsets}) == len(offsets) == EVENTS + 50
    books = totals(ledger(intake_home))
    assert books == books | {"received": EVENTS + 50, "accepted": EVENTS, "duplicate": 50, "unexplained": 0}
    assert (intake_home.home / "stack" / "intake.heartbeat").is_file()
    log = again.log.read_text()
    assert "batch 0 " in log
    assert "ended" in log
    print("torn at the kill:", was_torn)  # test_a_batch_torn_anywhere_is_completed tears it for sure
