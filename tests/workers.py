"""Which tests stay together and which begin first, where two processes share a run (``make test``: pytest-xdist).

A file's tests stay together; those of a folder whose fixtures take their seconds (a built warehouse, a published
release) do as well, so that each is made once. What takes minutes in one piece begins first, and the rest fills up.
"""

from __future__ import annotations

from pathlib import Path

# Relative to tests/.
TOGETHER = ("end_to_end", "marts", "portal", "feeds")
FIRST = ("end_to_end", "spark_jobs/test_night_on_cluster.py", "marts", "portal")


def group_of(path: Path, tests: Path) -> str:
    """Group of a test file: its folder where that stays together, else the file; both relative to ``tests``."""
    relative = path.relative_to(tests) if path.is_relative_to(tests) else path
    return relative.parts[0] if relative.parts[0] in TOGETHER else relative.as_posix()


def rank_of(group: str) -> int:
    """When a group begins: those of ``FIRST`` in their order, then all others in theirs."""
    return FIRST.index(group) if group in FIRST else len(FIRST)
