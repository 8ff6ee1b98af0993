"""Files of the repository that are made from its code and contracts: written, or compared with what is there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from cairn.settings import REPOSITORY


def is_stale(path: Path, wanted: str) -> bool:
    """Whether the file is not there or holds something else."""
    return not path.is_file() or path.read_text(encoding="utf-8") != wanted


def write_or_check(path: Path, wanted: str, arguments: Sequence[str], remedy: str) -> int:
    """Write the file, or with ``--check`` among the arguments say that it is stale and how to mend it; exit status."""
    if "--check" not in arguments:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, encoding="utf-8")
        return 0
    if not is_stale(path, wanted):
        return 0
    sys.stderr.write(f"stale: {path.relative_to(REPOSITORY)}: {remedy}\n")
    return 1
