"""Two processes race to append under one application id: each version is written once, by one of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import lake
from cairn.settings import REPOSITORY, Settings

ROUNDS = 12


def test_two_processes_under_one_transaction_write_once(settings: Settings) -> None:
    lake.create(settings, "ops.intake_batch")
    script = str(Path(__file__).with_name("racing_append.py"))
    # Both wait for the same instant, far enough for the slower to have started.
    start = str(time.time() + 10)
    environment = os.environ | {"CAIRN_HOME": str(settings.home), "PYTHONPATH": str(REPOSITORY)}
    racers = [
        subprocess.Popen(
            [sys.executable, script, name, str(ROUNDS), start], env=environment, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    said = [racer.communicate(timeout=120)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    rows = lake.read(settings, "ops.intake_batch", ["batch_id", "end_offsets"], partitions=lake.EVERY).to_pylist()
    assert sorted(row["batch_id"] for row in rows) == list(range(ROUNDS))
    # Who was told that it wrote is who did.
    assert sorted(int(number) for number in said[0] + said[1]) == list(range(ROUNDS))
    for name, numbers in zip(("one", "two"), said, strict=True):
        assert sorted(row["batch_id"] for row in rows if row["end_offsets"] == name) == [int(n) for n in numbers]
