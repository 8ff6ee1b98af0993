"""One writer at a time: a lease on a folder's lock or, with a lake on an object store, on a conditional put there.

On a folder it goes with the process that holds it, however that ends. On an object store processes of several hosts
have nothing in common but the store, so the lease is a small log of its own beside the tables, ``_leases/<name>``:
each take, renewal and release is a commit, and of two that try the same version the store lets one through.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypedDict, cast

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from cairn.errors import CairnError
from cairn.settings import Settings
from lake.location import create_at, is_table, join, storage_options

# A holder that died is waited for so long; it renews four times within. Clocks of hosts may differ by the allowance.
LEASE_SECONDS = 120.0
CLOCK_ALLOWANCE_SECONDS = 10.0
FIELD = "cairn_lease"
SCHEMA = pa.schema([pa.field("nothing", pa.string())])
POLL_SECONDS = 0.2


class _State(TypedDict):
    """Who holds a lease on an object store, and until when (seconds since 1970, 0 where it was given back)."""

    holder: str
    fence: int
    until: float


NOBODY: _State = {"holder": "", "fence": 0, "until": 0.0}


class Lease:
    """A lease that is held. ``fence`` grows with every holder: of two, the one with the greater came later."""

    def __init__(self, name: str, fence: int) -> None:
        self.name, self.fence = name, fence

    def check(self) -> None:
        """Raise CairnError where the lease is held no more: to be called before what only a holder may commit."""


class _StoreLease(Lease):
    """A lease in a log on an object store, renewed by a thread until it is released."""

    def __init__(self, settings: Settings, name: str, holder: str, fence: int, seconds: float, until: float) -> None:
        super().__init__(name, fence)
        self._settings, self._holder, self._seconds, self._until = settings, holder, seconds, until
        self._reason = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{name}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise CairnError where it was taken over, or could not be renewed for longer than it lasts."""
        if self._reason or time.time() >= self._until:
            why = self._reason or f"it was not renewed for {self._seconds:.0f} s"
            raise CairnError(f"the lease {self.name} is held no more ({why}): nothing was committed, start it again")

    def _renew(self) -> None:
        while not self._ended.wait(self._seconds / 4):
            # A store that does not answer is asked again: until the lease runs out it is still ours.
            with suppress(OSError, DeltaError, CairnError):
                table, state = _look(self._settings, self.name)
                if state["holder"] != self._holder or state["fence"] != self.fence:
                    self._reason = "another process took it over"
                    return
                until = time.time() + self._seconds
                if _put(table, {"holder": self._holder, "fence": self.fence, "until": until}):
                    self._until = until

    def release(self) -> None:
        """Give it back, where it is still ours."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError, DeltaError, CairnError):  # what cannot be given back runs out
            table, state = _look(self._settings, self.name)
            if state["holder"] == self._holder and state["fence"] == self.fence:
                _put(table, {"holder": self._holder, "fence": self.fence, "until": 0.0})


@contextmanager
def lease(
    settings: Settings, name: str, *, wait_seconds: float = 0.0, lease_seconds: float = LEASE_SECONDS
) -> Iterator[Lease | None]:
    """Hold the lease ``name`` for the ``with`` block; yields None where another process has it (after waiting).

    On a folder: an advisory lock on a file in ``home/leases``, for processes of one host, or of several that share the
    home. On an object store: for all that use the lake; a holder that died keeps others out until ``lease_seconds``
    have passed, and one that was stopped for longer finds by :meth:`Lease.check` that it holds the lease no more.
    """
    if settings.is_on_object_store:
        held = _take(settings, name, wait_seconds, lease_seconds)
        try:
            yield held
        finally:
            if held is not None:
                held.release()
        return
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
                    yield None
                    return
                time.sleep(POLL_SECONDS)
        handle.seek(0)
        words = handle.read().split()
        fence = int(words[1]) + 1 if len(words) == 2 else 1
        handle.truncate(0)
        handle.write(f"{os.getpid()} {fence}")
        handle.flush()
        yield Lease(name, fence)


def _take(settings: Settings, name: str, wait_seconds: float, lease_seconds: float) -> _StoreLease | None:
    """The lease, or None where it was not free in time."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
    deadline = time.monotonic() + wait_seconds
    while True:
        table, state = _look(settings, name)
        if not state["until"] or time.time() >= state["until"] + CLOCK_ALLOWANCE_SECONDS:
            fence, until = table.version() + 1, time.time() + lease_seconds
            if _put(table, {"holder": holder, "fence": fence, "until": until}):
                return _StoreLease(settings, name, holder, fence, lease_seconds, until)
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_SECONDS)


def _look(settings: Settings, name: str) -> tuple[DeltaTable, _State]:
    """The lease's log at its newest, made where missing, and who holds it: ``holder``, ``fence``, ``until``."""
    uri = join(settings.lake, f"_leases/{name}")
    if not is_table(settings, uri):
        options = {"delta.checkpointInterval": "20", "delta.logRetentionDuration": "interval 1 days"}
        create_at(settings, uri, SCHEMA, (), options)
    table = DeltaTable(uri, storage_options=storage_options(settings))
    return table, _state_of(table)


def _state_of(table: DeltaTable) -> _State:
    said = table.history(1)[0].get(FIELD)
    return cast(_State, json.loads(said)) if said else NOBODY


def _put(table: DeltaTable, state: _State) -> bool:
    """Commit the state as the version after the one looked at; False where another was first."""
    properties = CommitProperties(custom_metadata={FIELD: json.dumps(state)}, max_commit_retries=0)
    try:
        table.create_write_transaction([], "append", SCHEMA, None, commit_properties=properties)
    except (CommitFailedError, DeltaError):
        return False
    return True
