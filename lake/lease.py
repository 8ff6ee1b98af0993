"""One writer at a time: a lease that goes with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cairn.settings import Settings


@contextmanager
def lease(settings: Settings, name: str, *, wait_seconds: float = 0.0) -> Iterator[bool]:
    """Hold the lease ``name`` for the ``with`` block; yields False where another process has it (after waiting).

    An advisory lock on a file in ``home/leases``: processes of one host, or of several that share the home.
    """
    folder = settings.home / "leases"
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    with (folder / f"{name}.lock").open("a+", encoding="utf-8") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    yield False
                    return
                time.sleep(0.2)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield True
