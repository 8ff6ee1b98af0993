"""Processes of one stack: recognised by birth time and by a marker in their environment, ended in order or by force.

A process id alone proves nothing (ids are used again), so a recorded process is its id and the second it was born.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

import psutil

MARKER = "CAIRN_STACK_ID"
BIRTH_TOLERANCE_SECONDS = 2.0


def birth(pid: int) -> float | None:
    """When the process was born (seconds since the epoch); None where there is none, or only its remains."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def is_same(pid: int | None, born: float | None) -> bool:
    """Whether the recorded process still runs, and is not another one with its number."""
    if not pid or born is None:
        return False
    now = birth(pid)
    return now is not None and abs(now - born) < BIRTH_TOLERANCE_SECONDS


def marked(stack_id: str) -> list[psutil.Process]:
    """Every process whose environment says it belongs to this stack, this process and its parents excepted."""
    own = {os.getpid()}
    with contextlib.suppress(psutil.Error):
        own |= {parent.pid for parent in psutil.Process().parents()}
    found = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARKER) == stack_id:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def end(processes: Iterable[psutil.Process], grace_seconds: float) -> int:
    """Ask the processes to end, then force what still runs after ``grace_seconds``; returns how many there were."""
    targets = list(processes)
    for process in targets:
        try:
            process.terminate()
        except psutil.Error:
            continue
    _, alive = psutil.wait_procs(targets, timeout=grace_seconds)
    for process in alive:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(alive, timeout=5)
    return len(targets)


def end_marked(stack_id: str, grace_seconds: float = 8.0) -> int:
    """End whatever still carries the stack's marker, until a look finds nothing; returns how many were ended."""
    ended = 0
    for _ in range(5):
        left = marked(stack_id)
        if not left:
            break
        ended += end(left, grace_seconds)
        grace_seconds = 1.0
    return ended
