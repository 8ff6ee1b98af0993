"""The check-up of a machine: everything the platform needs of it, each with what to do where it is missing."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings
from infra import jars
from infra.browser import ADVICE, find_chromium
from infra.java import find_java, java_major
from infra.ports import is_free
from infra.services import PORT_NAMES
from infra.stack import status
from infra.state import load_state

MEMORY_GIB = 8.0
DISK_GIB = 5.0
GIB = 1024**3


@dataclass
class Check:
    """One check; ``detail`` says what was found, and where it is not fine what to do."""

    name: str
    is_fine: bool
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def check_python(version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])) -> Check:
    """The interpreter this runs in."""
    shown = f"{version[0]}.{version[1]}"
    if version == (3, 11):
        return Check("python", True, shown)
    return Check("python", False, f"{shown}, and 3.11 is needed: install Python 3.11, remove .venv, run 'make setup'")


def check_java() -> Check:
    """Java for the broker and Spark."""
    try:
        java = find_java()
    except CairnError as error:
        return Check("java", False, str(error))
    return Check("java", True, f"{java_major(java)} at {java}")


def check_memory(total: int | None = None) -> Check:
    """The machine's memory, in bytes where given."""
    gib = (psutil.virtual_memory().total if total is None else total) / GIB
    # A machine sold with 8 GiB shows a little less.
    if gib >= MEMORY_GIB * 0.95:
        return Check("memory", True, f"{gib:.1f} GiB")
    return Check(
        "memory", False, f"{gib:.1f} GiB, and {MEMORY_GIB:.0f} are needed: run fewer services with 'up --only'"
    )


def check_disk(settings: Settings) -> Check:
    """Free space where data lives."""
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    gib = shutil.disk_usage(folder).free / GIB
    if gib >= DISK_GIB:
        return Check("disk", True, f"{gib:.0f} GiB free at {folder}")
    return Check(
        "disk", False, f"{gib:.1f} GiB free at {folder}, and {DISK_GIB:.0f} are needed: set CAIRN_HOME elsewhere"
    )


def check_jars(settings: Settings) -> Check:
    """The jars against their pinned sums."""
    for kind, sums in jars.needed(settings).items():
        folder = settings.cache_dir / "jars" / kind
        if found := jars.problems(folder, sums):
            return Check("jars", False, f"{jars.summary(found, folder)}: run 'make setup'")
    return Check("jars", True, f"all as pinned, in {settings.cache_dir}/jars")


def check_environment(lock: Path = REPOSITORY / "requirements.lock") -> Check:
    """Installed packages against the lock."""
    wanted = {}
    for line in lock.read_text().splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)\s*(;.*)?", line)
        if match and not match[3]:
            wanted[match[1]] = match[2]
    wrong = []
    for name, version in wanted.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            wrong.append(f"{name} is {installed}, not {version}")
    if not wrong:
        return Check("environment", True, f"{len(wanted)} packages as in the lock")
    return Check("environment", False, f"{wrong[0]} ({len(wrong)} differ): remove .venv/.cairn-lock, run 'make setup'")


def check_chromium() -> Check:
    """A browser for the browser tests and screenshots."""
    if path := find_chromium():
        return Check("chromium", True, path)
    return Check("chromium", False, f"none that starts: only browser tests and screenshots need one; {ADVICE}")


def check_stack(settings: Settings) -> Check:
    """Services of this home that should run and do not, or ports of a stopped stack that others have taken."""
    state = load_state(settings)
    if state.services:
        bad = [f"{service.name} is {service.state}" for service in status(settings) if service.name in state.services]
        bad = [line for line in bad if not line.endswith("is ready")]
        if bad:
            return Check("stack", False, f"{', '.join(bad)}: run 'cairn up', or see 'cairn logs NAME'")
        return Check("stack", True, f"{len(state.services)} services ready")
    taken = [
        f"{name} {state.ports[name]}" for name in PORT_NAMES if name in state.ports and not is_free(state.ports[name])
    ]
    if taken:
        return Check("stack", True, f"down; ports in use by other programs ({', '.join(taken)}) will be replaced")
    return Check("stack", True, "down")


def examine(settings: Settings) -> list[Check]:
    """Every check, in the order in which they are best mended."""
    checks: list[Callable[[], Check]] = [
        check_python,
        check_environment,
        check_java,
        lambda: check_jars(settings),
        check_memory,
        lambda: check_disk(settings),
        check_chromium,
        lambda: check_stack(settings),
    ]
    return [check() for check in checks]
