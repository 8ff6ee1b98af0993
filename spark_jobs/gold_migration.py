"""A home whose gold was written by an earlier Cairn: brought over once, before its next night.

From before there were buckets of pupils: states and days are derived, their new tables begin empty and the next night
fills them from the evidence, which it resolves anew from all of silver. The ledger is history: its rows are kept, and
what of them no longer follows under the new ids is taken back by that night as by any other.

From before the durable share decided: states and days begin empty, the next night fills them from the evidence that
stands. The ledger's rows are kept. Parameters of the model that decided before are left behind.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.mastery import hashing
from cairn.settings import Settings
from spark_jobs import night_record
from spark_jobs.night_record import DAY, DECISION, STATE, NightRecord

# A record of this kind says that states are being rewritten: its version of them is no longer, or not yet, theirs.
WIDENING = "widening"
MODEL, ITEMS = "gold.mastery_model", "gold.item_difficulty"
# Rows of silver are new to the night after the migration, all of them.
NOTHING_READ = -1


def migrate_if_needed(settings: Settings) -> NightRecord | None:
    """Bring gold into its contracts' layout; returns the record of it, None where there was nothing to do.

    Call with the lease of mastery held and no night on record. Interrupted, it goes on when called again.
    """
    _migrate_model(settings)
    names = [name for name in (STATE, DAY, DECISION) if lake.needs_migration(settings, name)]
    if not names and not lake.count_rows(settings, DECISION):
        return None
    buckets = night_record.pupil_buckets(settings, None)
    for name in names:
        transform = _ledger_with(buckets) if name == DECISION else _nothing_of(name)
        lake.migrate(settings, name, transform, progress=_told(name))
    versions = night_record.present_versions(settings)
    record = NightRecord(
        night=1,
        kind="migration",
        data_date=_newest_date(settings),
        as_of=datetime(1970, 1, 1, tzinfo=UTC),
        versions={**versions, "silver.learner_activity": NOTHING_READ},
        policy_version="",
        model_versions={},
        pupil_buckets=buckets,
    )
    night_record.record(settings, record)
    return record


def widen_if_needed(settings: Settings, last: NightRecord) -> NightRecord:
    """Bring the tables of nights on record into their contracts' columns; returns the newest record.

    Call with the lease of mastery held. The record that it makes names no policy, so that the next night rebuilds every
    pair. Interrupted, it goes on when called again.
    """
    transforms = {DAY: _nothing_of(DAY), DECISION: _ledger_without_known, STATE: _nothing_of(STATE)}
    _migrate_model(settings)
    names = [name for name in transforms if lake.needs_migration(settings, name)]
    if names and last.kind != WIDENING:
        last = _recorded(settings, last, WIDENING, last.versions)
    for name in names:
        lake.migrate(settings, name, transforms[name], progress=_told(name))
    if last.kind == WIDENING:
        now = {name: lake.current_version(settings, name) for name in transforms}
        last = _recorded(settings, last, "migration", {**last.versions, **now})
    return last


def _recorded(settings: Settings, last: NightRecord, kind: str, versions: dict[str, int]) -> NightRecord:
    """Put on record that nothing changed but how, or where, rows lie."""
    record = replace(last, night=last.night + 1, kind=kind, versions=versions, policy_version="")
    record = replace(record, pairs=0, attempts=0, decisions=0)
    night_record.record(settings, record)
    return record


def _migrate_model(settings: Settings) -> None:
    """Leave parameters of the model that decided before behind; items of versions from before limits have none."""
    for name, transform in ((MODEL, _nothing_of(MODEL)), (ITEMS, _items_without_limits)):
        if lake.needs_migration(settings, name):
            lake.migrate(settings, name, transform, progress=_told(name))


def _items_without_limits(rows: pa.Table) -> pa.Table:
    return lake.conform(rows, ITEMS)


def _ledger_without_known(rows: pa.Table) -> pa.Table:
    """Decisions as the model of before made them, without its P(known)."""
    return lake.conform(rows, DECISION)


def _newest_date(settings: Settings) -> date:
    newest = pc.max(lake.read(settings, DECISION, ["data_date"], partitions=lake.EVERY)["data_date"]).as_py()
    return newest or date(1970, 1, 1)


def _nothing_of(name: str) -> lake.Transform:
    def transform(_rows: pa.Table) -> pa.Table:
        return lake.file_schema(name).empty_table()

    return transform


def _ledger_with(buckets: int) -> lake.Transform:
    def transform(rows: pa.Table) -> pa.Table:
        pupils = hashing.hash_texts(rows["student_key"])
        keys = hashing.pair_keys(pupils, hashing.hash_texts(rows["competency_id"]))
        rows = rows.append_column("pair_key", pa.array(keys))
        bucket = hashing.buckets_of(rows["student_key"], buckets)
        rows = rows.append_column("pupil_bucket", pa.array(bucket.astype(np.int32)))
        for column in ("night", "evidence_hash"):
            rows = rows.append_column(column, pa.array(np.zeros(rows.num_rows, dtype=np.int64)))
        return lake.conform(rows, DECISION)

    return transform


def _told(name: str) -> lake.Progress:
    def tell(done: int, whole: int) -> None:
        sys.stderr.write(f"{name}: {done} of {whole} rows brought over\n")
        sys.stderr.flush()

    return tell
