"""Which code made an evaluation: the same release and plans, judged by other code, are another evaluation."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import version

from cairn.settings import REPOSITORY

# Everything between the marts and a published scorecard. Libraries whose numbers go into it count by their version.
FILES = (
    "pilots/**/*.py",
    *("releases/evaluation*.py", "releases/scorecards.py", "releases/pilot_scores.py"),
    *("releases/rollout_tables.py", "releases/learning_marts.py"),
    *("cairn/privacy.py", "cairn/grades.py"),
    "schemas/pilots/*.csv",
)
LIBRARIES = ("duckdb", "numpy", "pandas", "scipy")
CHARACTERS = 12


@lru_cache(maxsize=1)
def code_version() -> str:
    """The first 12 hexadecimal digits of SHA-256 over names and text of the files, and the libraries' versions.

    The files of this process: a night that runs through an upgrade keeps the code that it started with.
    """
    digest = hashlib.sha256()
    for path in sorted({path for pattern in FILES for path in REPOSITORY.glob(pattern)}):
        digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes() + b"\0")
    for name in LIBRARIES:
        digest.update(f"{name} {version(name)}\0".encode())
    return digest.hexdigest()[:CHARACTERS]
