"""A part that is missing fails a run under CI and is named at the end of any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cairn.settings import REPOSITORY
from tests.needs import is_ci

SKIPS = """
import pytest
from tests.needs import missing, shared_input
def test_browser():
    missing("no browser here: install one")
def test_input():
    shared_input("no/such/input")
def test_fine():
    assert True
"""
BARE = """
import pytest
@pytest.mark.skip(reason="not today")
def test_one():
    assert False
def test_fine():
    assert True
"""


def run(tmp_path: Path, text: str, ci: str, processes: int = 0) -> subprocess.CompletedProcess[str]:
    """pytest on a file of its own, with this suite's conftest, in one process or as ``make test`` in two."""
    path = tmp_path / "test_made.py"
    path.write_text(text)
    options = ["-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "tests.conftest"]
    options += ["-n", str(processes), "--dist", "loadfile"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(path)],
        cwd=REPOSITORY,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_missing_part_is_a_skip_that_the_last_lines_name(tmp_path: Path) -> None:
    done = run(tmp_path, SKIPS, "")
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if line.strip()][-4:-1] == [
        "=================================== Skipped ====================================",
        "no browser here: install one: test_made.py::test_browser",
        "real input not here: shared/no/such/input: test_made.py::test_input",
    ]


def test_a_missing_part_is_a_failure_under_ci(tmp_path: Path) -> None:
    done = run(tmp_path, SKIPS, "true")
    assert done.returncode == 1
    assert "2 failed, 1 passed" in done.stdout and "Skipped: nothing" in done.stdout
    assert "under CI nothing may be missing: no browser here: install one" in done.stdout


@pytest.mark.parametrize("processes", [0, 2])
def test_no_other_skip_passes_under_ci(tmp_path: Path, processes: int) -> None:
    done = run(tmp_path, BARE, "true", processes)
    assert done.returncode == 1 and "not today: test_made.py::test_one" in done.stdout


def test_any_skip_passes_elsewhere(tmp_path: Path) -> None:
    assert run(tmp_path, BARE, "").returncode == 0


@pytest.mark.parametrize(("word", "is_it"), [("", False), ("0", False), ("False", False), ("true", True), ("1", True)])
def test_ci_is_told_by_its_variable(word: str, is_it: bool) -> None:
    assert is_ci({"CI": word}) == is_it
    assert not is_ci({})
