"""What Operations shows of the lake, read once a minute beside the pages and not once a page.

Services, alarms and nights are read as they are now: they cost milliseconds. Books, lag, gates and releases are rows of
the lake: reading them takes seconds on a busy machine, so that a page shows the newest reading with its time.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from answers.pinned_releases import Opened, Reader
from cairn.settings import Settings
from portal import operations_reads as reads

LOG = logging.getLogger("portal")
EVERY_SECONDS = 60.0
# A reading that is older than this is shown as old: three were missed.
OLD_SECONDS = 240.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """One reading of the lake: ``parts`` by the names that the page knows, when it began, and how long it took."""

    parts: Row
    read_at: datetime
    seconds: float

    @property
    def age_seconds(self) -> float:
        """How old it is now."""
        return (datetime.now(UTC) - self.read_at).total_seconds()

    @property
    def is_old(self) -> bool:
        """Whether readings that should have followed it did not come."""
        return self.age_seconds > OLD_SECONDS


def read_lake(settings: Settings, learning: Opened | None) -> Row:
    """Everything of the lake that the page shows."""
    ledger, ledger_from = reads.ledger(settings, learning)
    return {
        "ledger": ledger,
        "ledger_from": ledger_from,
        "broken_hops": reads.broken_hops(settings),
        "attribution": reads.attribution(learning),
        "freshness": reads.freshness(learning),
        "lag": reads.intake_lag(settings),
        "gates": reads.gate_results(settings),
        "releases": reads.releases(settings),
    }


class Snapshots:
    """The newest reading of one portal process. :meth:`keep` reads on and on; else a page reads when it is due."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings, self._reader = settings, reader
        self._newest: Snapshot | None = None
        self._lock = threading.Lock()
        self._is_kept, self._is_over = False, threading.Event()

    def keep(self) -> None:
        """Read once a minute from now on, in a thread that ends with the process."""
        self._is_kept = True
        threading.Thread(target=self._go_on, name="operations", daemon=True).start()

    def end(self) -> None:
        """Keep no longer."""
        self._is_over.set()

    def _go_on(self) -> None:
        while not self._is_over.is_set():
            try:
                self.refresh()
            except Exception as error:  # whatever it is: the page shows the reading before, and says that it is old
                LOG.error("operations could not be read: %s", type(error).__name__)
            self._is_over.wait(EVERY_SECONDS)

    def refresh(self) -> Snapshot:
        """Read now."""
        with self._lock:
            return self._read()

    def _read(self) -> Snapshot:
        at, began = datetime.now(UTC), time.perf_counter()
        parts = read_lake(self._settings, self._reader.pin().learning)
        self._newest = Snapshot(parts, at, time.perf_counter() - began)
        return self._newest

    def latest(self) -> Snapshot:
        """The newest reading; the first is made by who asks first, and so is one that is due where none keeps it."""
        found = self._newest
        if found is None or (not self._is_kept and found.age_seconds > EVERY_SECONDS):
            with self._lock:
                # Who waited for another's reading takes that one.
                found = self._read() if self._newest is found else self._newest
        assert found is not None
        return found
