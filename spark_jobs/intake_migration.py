"""Tables of intake that stand from an earlier version, brought into their contracts' layout: once, and resumable."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

import lake
from cairn.settings import Settings
from spark_jobs import intake_state, key_index
from spark_jobs.xxhash import xxhash64

Report = Callable[[str], None]
_IDENTITY = ["intake_app_id", "batch_id"]
_SECONDS_BETWEEN_LINES = 5.0


def migrate_intake(settings: Settings, report: Report) -> list[str]:
    """Migrate what needs it; returns the tables' names. ``report`` gets a line now and then. Lease held."""
    migrations: dict[str, Callable[[], bool]] = {
        "ops.intake_batch": lambda: lake.migrate(settings, "ops.intake_batch", _with_day),
        "ops.intake_ledger": lambda: lake.migrate(settings, "ops.intake_ledger", lambda rows: rows),
        key_index.TABLE: lambda: _migrate_keys(settings, report),
    }
    done = []
    for name, run in migrations.items():
        if lake.needs_migration(settings, name):
            report(f"{name}: bringing it into the layout of its contract")
            run()
            done.append(name)
    return done


def _with_day(rows: pa.Table) -> pa.Table:
    return rows.append_column("written_date", rows.column("written_at").cast(pa.date32(), safe=False))


def _migrate_keys(settings: Settings, report: Report) -> bool:
    """The key table anew, filed by hash, from silver itself: the same events, and whose they are.

    Batches that are not whole are left out and not noted as done: when such a batch is run again it appends its keys.
    """
    last = intake_state.last_transactions(settings)
    whole = lake.read(settings, "ops.intake_batch", _IDENTITY, partitions=lake.EVERY)

    def keys_of(rows: pa.Table) -> pa.Table:
        names = ["event_id", "content_hash", "subject_key", *_IDENTITY]
        kept = rows.select(names).join(whole, _IDENTITY, join_type="left semi")
        hashes = xxhash64(kept.column("event_id"))
        buckets = key_index.bucket_of(hashes, settings.key_buckets)
        return kept.append_column("event_hash", pa.array(hashes)).append_column("hash_bucket", pa.array(buckets))

    is_done = lake.migrate(
        settings,
        key_index.TABLE,
        keys_of,
        source="silver.learner_activity",
        transactions=last,
        write=key_index.sorted_files,
        progress=_progress(key_index.TABLE, report),
    )
    while key_index.tend(settings, seconds=np.inf):
        report(f"{key_index.TABLE}: merging what was filed")
    return is_done


def _progress(name: str, report: Report) -> Callable[[int, int], None]:
    """Rows done of all, and about how many seconds are left, every few seconds."""
    started = time.monotonic()
    said = started

    def tell(done: int, whole: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= _SECONDS_BETWEEN_LINES and done:
            left = (now - started) * (whole - done) / done
            report(f"{name}: {done:,} of {whole:,} rows, about {left:.0f} s left")
            said = now

    return tell
