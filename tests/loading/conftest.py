"""A command as a person types it, and who is in a class on a day."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import lake
from cairn.settings import Settings
from cli.main import main
from identity import Vault
from loading.history import CURRENT

Cairn = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def cairn(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Cairn:
    """``cairn("roster", "load", path)``: exit status, the JSON that was printed (empty where none), standard error."""

    def run(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        return int(str(ended.value.code)), json.loads(captured.out or "{}"), captured.err

    return run


def now(settings: Settings, table: str) -> list[dict[str, Any]]:
    """Rows that are known now."""
    rows: list[dict[str, Any]] = lake.read(settings, table, filters=CURRENT).to_pylist()
    return rows


def sourced_id_of(settings: Settings) -> dict[str, str]:
    """Student key to sourcedId, of everybody who is or was on the roster."""
    keys = sorted(set(lake.read(settings, "silver.person", ["student_key"])["student_key"].to_pylist()))
    vault = Vault(settings)
    found = vault.names(keys, actor="test", purpose="test", kind="command")
    return {key: name.sourced_id for key, name in found.items()}


def pupils_on(settings: Settings, day: str, class_id: str = "C-31") -> list[str]:
    """sourcedIds of the pupils of a class on a day, one a row."""
    names, on_date = sourced_id_of(settings), date.fromisoformat(day)
    return sorted(
        names[row["student_key"]]
        for row in now(settings, "silver.enrollment")
        if row["class_id"] == class_id
        and row["role"] == "student"
        and row["valid_from_date"] <= on_date
        and (row["valid_to_date"] is None or on_date <= row["valid_to_date"])
    )
