"""One district on the whole real stack, taken through its two nights by Airflow, for all end-to-end tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cairn.settings import Settings


@dataclass(frozen=True)
class District:
    """The running stack's settings, the sent district's folder, and what the demo returned."""

    settings: Settings
    folder: Path
    result: dict[str, Any]


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """A small district sent through every stage by the demo's own steps; it is taken down before other tests run."""
    from cli.demo_steps import Demo
    from infra import stack

    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("whole") / "home"
    patch.setenv("CAIRN_HOME", str(home))
    settings = Settings()
    try:
        result = Demo(settings, schools=4, students=120, days=40, seed=3, report=print).run()
        yield District(settings, settings.home / "simulated", result)
    finally:
        stack.down(settings)
        patch.undo()
        shutil.rmtree(home, ignore_errors=True)
