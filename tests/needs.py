"""What a test needs of the machine and does not find: a failure under CI, a named skip elsewhere.

The only place from which a test is skipped.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

from cairn.settings import REPOSITORY

SHARED = REPOSITORY.parent / "shared"


def is_ci(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this run must be whole: ``CI`` is set, and not to an empty word, 0 or false."""
    return environment.get("CI", "").lower() not in ("", "0", "false")


def missing(what: str) -> NoReturn:
    """End the test: ``what`` says which part is not here and how to get it."""
    if is_ci():
        pytest.fail(f"under CI nothing may be missing: {what}", pytrace=False)
    pytest.skip(what)


def shared_input(relative: str) -> Path:
    """A real input beside the repository: a file, or a folder that holds something."""
    path = SHARED / relative
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        missing(f"real input not here: shared/{relative}")
    return path


def skipped_lines(reports: Iterable[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """Lines for the end of a run: what was not tested and why, one reason a line with its tests."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        by_reason[told.removeprefix("Skipped: ")].append(report.nodeid)
    lines = []
    for reason, tests in sorted(by_reason.items()):
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        lines.append(f"{reason}: {tests[0]}{more}")
    return lines
