"""Some rounds of faults on real processes: see rounds.py, which ``make faults`` runs for long."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.faults import rounds

pytestmark = [pytest.mark.spark, pytest.mark.broker, pytest.mark.fault, pytest.mark.timeout(600)]

# Each fault once. Killed in a commit and without its checkpoint, intake has a torn batch to take away.
PLAN = (
    ("gateway_killed", "broker_hangs"),
    ("broker_killed", "disk_full"),
    ("intake_killed_in_commit", "checkpoint_lost"),
)


def test_nothing_is_lost_and_nothing_is_double_after_any_fault(tmp_path: Path) -> None:
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    said: list[str] = []
    done = rounds.run(tmp_path, PLAN, 1, seed, said.append, check_every=len(PLAN), hang_seconds=3.0)
    assert not done[-1].is_red, f"seed {seed}: {said}"
    assert len(done) == len(PLAN) and done[-1].is_checked
    assert done[-1].acknowledged >= 20
    log = (tmp_path / "logs" / "intake.log").read_text()
    assert "batch 0 " in log
    assert " ended\n" in log, "asked to, the service ends in order"
    assert (tmp_path / "stack" / "intake.heartbeat").is_file()


def test_a_loss_is_red_and_named_in_the_summary() -> None:
    red = rounds.Round(2, ["disk_full"], acknowledged=7, lost=1, is_checked=True)
    green = rounds.Round(1, ["disk_full", "broker_killed"], acknowledged=5, is_checked=True)
    assert red.is_red and not green.is_red
    assert red.line().endswith("RED")
    lines = rounds.summary([green, red], ["disk_full", "broker_killed"]).splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["disk_full", "2", "1"],
        ["broker_killed", "1", "0"],
        ["all", "2", "1"],
    ]
