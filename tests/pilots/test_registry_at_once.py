"""Two processes at the pilots' tables at once: what is frozen, recorded or decided twice is there once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lake
from cairn.settings import REPOSITORY, Settings

PLAN = sorted((REPOSITORY / "schemas" / "district" / "pilots").glob("*.yaml"))[0]
# Each process says that it is ready and starts when the file is there, so that both are in the same moment.
START = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from cairn.settings import Settings
from pilots import registry
from pilots.plan import load_plan
settings, plan = Settings(), load_plan(Path(sys.argv[1]))
seen = registry.Recommended("e-1", plan.plan_hash, "STOP")
row = {"evaluation_id": "e-1", "pilot_id": plan.pilot_id, "name": "recommendation", "text_value": "STOP",
       "plan_hash": plan.plan_hash, "release_id": "r", "evaluated_at": datetime.now(UTC)}
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
"""
DOES = {
    "freeze": "registry.freeze(settings, plan)",
    "record": "registry.record(settings, 'e-1', [row])",
    "decide": "registry.decide(settings, plan.pilot_id, 'STOP', 'superintendent', None, seen)",
}


def at_once(what: str, start: Path) -> None:
    """Two processes do it in the same moment."""
    command = [sys.executable, "-c", START + DOES[what], str(PLAN), str(start)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    start.touch()
    for process in both:
        process.communicate(timeout=60)
    assert [process.returncode for process in both] == [0, 0]


@pytest.mark.parametrize("number", range(2))
def test_twice_at_once_is_once(settings: Settings, tmp_path: Path, number: int) -> None:
    for what in DOES:
        at_once(what, tmp_path / f"start-{what}")
    arms = lake.read(settings, "gold.pilot_arm", ["school_id"])["school_id"].to_pylist()
    assert len(arms) == len(set(arms)) > 0
    for name in ("gold.pilot_plan", "gold.pilot_result", "gold.pilot_decision"):
        assert lake.read(settings, name).num_rows == 1, name
