"""The accepted events by id: an index in two levels, so that a batch costs the same at a million keys and a hundred.

``silver.activity_key`` holds one row an event. Each batch appends its keys as one small file (``hash_bucket`` null:
recent). When recent ones have become many they are filed: sorted by hash into ``key_buckets`` ranges of the hash, a
run a bucket; a bucket of too many runs is merged. Looking up a hash then reads the recent keys, held in memory, and of
each run the row group that may hold it. A hash only finds candidates: the event's id decides.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.settings import Settings
from spark_jobs.xxhash import xxhash64

TABLE = "silver.activity_key"
KEY = "event_hash"
COLUMNS = ("event_hash", "event_id", "content_hash", "intake_app_id", "batch_id")
# Recent keys are held in memory, eight bytes each, and filing rewrites them once.
MOST_RECENT_ROWS = 1_000_000
MOST_RECENT_FILES = 64
MOST_RUNS = 8
# A hash costs a row group a run, 128 kB of hashes: smaller groups made large batches slower, by their number alone.
LAYOUT = lake.Layout(row_group_rows=16 * 1024, plain=("event_hash", "event_id", "content_hash"))
# A run so many times larger than all smaller ones together is not merged with them yet: each key is rewritten a few
# times in its life, not at every merge.
MUCH_LARGER = 4


class KeyIndex:
    """Looks up accepted events; keep one for as long as a process asks, it remembers what files cannot change."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.probe = lake.KeyProbe(settings, TABLE, KEY)

    def accepted(self, hashes: npt.NDArray[np.int64], columns: Sequence[str] = COLUMNS) -> pa.Table:
        """Rows of accepted events whose hash is among ``hashes``, in ``columns`` (other ids of the same hash too)."""
        return self.probe.find(hashes, columns)


def find_events(settings: Settings, event_ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.Table:
    """Which of the events were accepted: ``event_id`` and ``subject_key`` of each that was, in no order.

    Reads a row group an id, never the table. An event that was not accepted (yet) has no row.
    """
    ids = event_ids if isinstance(event_ids, pa.Array | pa.ChunkedArray) else pa.array(event_ids, pa.string())
    found = KeyIndex(settings).accepted(xxhash64(ids), ("event_id", "subject_key"))
    return found.filter(pc.is_in(found.column("event_id"), value_set=ids.cast(pa.string())))


def bucket_of(hashes: npt.NDArray[np.int64], buckets: int) -> npt.NDArray[np.int32]:
    """The range of each hash among ``buckets`` equal ones. Another number of buckets later costs nothing but merges."""
    top = (hashes.view(np.uint64) ^ np.uint64(1 << 63)) >> np.uint64(32)
    return ((top * np.uint64(buckets)) >> np.uint64(32)).astype(np.int32)


def sorted_files(settings: Settings, rows: pa.Table) -> list[lake.File]:
    """The rows as a sorted run for each bucket they fall into, not yet committed."""
    hashes = rows.column(KEY).to_numpy()
    order = np.argsort(hashes, kind="stable")
    rows, buckets = rows.take(pa.array(order)), bucket_of(hashes[order], settings.key_buckets)
    files = []
    for bucket in np.unique(buckets):
        first, last = np.searchsorted(buckets, bucket, "left"), np.searchsorted(buckets, bucket, "right")
        part = rows.slice(int(first), int(last - first))
        place = {"hash_bucket": int(bucket)}
        files.append(lake.write_file(settings, TABLE, part, place, layout=LAYOUT))
    return files


def levels(settings: Settings) -> tuple[list[lake.File], dict[int, list[lake.File]]]:
    """Recent files, and the runs of each bucket."""
    recent: list[lake.File] = []
    runs: dict[int, list[lake.File]] = defaultdict(list)
    for file in lake.table_files(settings, TABLE):
        bucket = file.partitions["hash_bucket"]
        if bucket is None:
            recent.append(file)
        else:
            runs[int(bucket)].append(file)
    return recent, dict(runs)


def file_recent(settings: Settings) -> int:
    """File all recent keys by hash, in one commit; returns how many. Call with intake's lease held."""
    base = lake.current_version(settings, TABLE)
    recent, _ = levels(settings)
    if not recent:
        return 0
    rows = lake.read_files(settings, TABLE, recent, lake.file_schema(TABLE).names)
    files = sorted_files(settings, rows)
    lake.commit_files(settings, TABLE, files, removed=recent, base=base, is_data_change=False)
    return int(rows.num_rows)


def to_merge(runs: Sequence[lake.File]) -> list[lake.File]:
    """Which runs of a bucket are merged now: none while they are few, else all but those that are much larger."""
    if len(runs) <= MOST_RUNS:
        return []
    chosen: list[lake.File] = []
    total = 0
    for run in sorted(runs, key=lambda one: one.rows):
        if len(chosen) > 1 and run.rows > MUCH_LARGER * total:
            break
        chosen.append(run)
        total += run.rows
    return chosen


def merge_bucket(settings: Settings, bucket: int, runs: Sequence[lake.File]) -> int:
    """Merge runs of a bucket into one; returns how many went. Call with intake's lease held."""
    base = lake.current_version(settings, TABLE)
    place = {"hash_bucket": bucket}
    merged = lake.merge_sorted(settings, TABLE, runs, KEY, place, layout=LAYOUT)
    lake.commit_files(settings, TABLE, [merged], removed=runs, base=base, is_data_change=False)
    return len(runs)


def tend(settings: Settings, seconds: float) -> int:
    """File and merge what the rules ask for, no new piece of work after ``seconds``; returns how many files went.

    A piece is the filing of about a million keys, or one bucket. Call with intake's lease held.
    """
    deadline = time.monotonic() + seconds
    recent, runs = levels(settings)
    gone = 0
    if len(recent) >= MOST_RECENT_FILES or sum(file.rows for file in recent) >= MOST_RECENT_ROWS:
        file_recent(settings)
        gone += len(recent)
        _, runs = levels(settings)
    for bucket, its in sorted(runs.items(), key=lambda pair: -len(pair[1])):
        chosen = to_merge(its)
        if not chosen or time.monotonic() > deadline:
            break
        gone += merge_bucket(settings, bucket, chosen)
    return gone
