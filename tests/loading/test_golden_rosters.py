"""Golden folders of rosters, loaded one after another as a person loads them: what is added, changed, ended, refused.

``expect.json`` has of each load its status, what changed by table (added, changed, ended) and the refused rows, and
after all of them the pupils of a class on a day.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import loading
from cairn.settings import REPOSITORY, Settings
from tests.loading.conftest import pupils_on

FOLDERS = sorted((REPOSITORY / "tests" / "golden" / "rosters").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_rosters_one_after_another(settings: Settings, folder: Path) -> None:
    expected = json.loads((folder / "expect.json").read_text())
    for load in expected["loads"]:
        at = datetime.fromisoformat(load["at"]).replace(hour=12, tzinfo=UTC)
        done = loading.load_roster(settings, folder / load["input"], at)
        assert done["problems"] == load["problems"]
        assert bool(done["rejected"]) == bool(load["status"])
        assert {name: _counts(done["tables"][name]) for name in load["tables"]} == load["tables"], load["input"]
    for day, classes in expected["members"].items():
        assert {name: pupils_on(settings, day, name) for name in classes} == classes, day
    assert (folder / "case.md").is_file()


def _counts(change: dict[str, Any]) -> list[int]:
    return [change["added"], change["changed"], change["ended"]]
