"""Where intake stands: its lease, its checkpoint's identity, the offsets that the lake has passed.

A checkpoint is a folder ``checkpoints/intake/<app_id>/``; its name is the application id of every Delta transaction it
makes. A new checkpoint gets a new name, so its batch numbers, which begin at 0 again, never look written already.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs.intake_parse import TOPICS

Offsets = dict[str, dict[str, int]]

WRITTEN_TABLES = (
    "bronze.activity",
    "bronze.receipts",
    "bronze.rejected",
    "silver.learner_activity",
    "silver.activity_key",
    "silver.activity_quarantine",
    "ops.intake_ledger",
)
EARLIEST_OFFSET = -2


@contextmanager
def lease(settings: Settings) -> Iterator[bool]:
    """Hold the intake's lease for the ``with`` block; yields False where another process holds it.

    An advisory file lock: it goes with the process that holds it, however that ends.
    """
    path = settings.checkpoints_dir / "intake.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle: IO[str] = path.open("a+", encoding="utf-8")
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield True
    finally:
        handle.close()


def merge(offsets: Iterable[Offsets]) -> Offsets:
    """The highest next offset of each partition."""
    highest: Offsets = {}
    for one in offsets:
        for topic, partitions in one.items():
            mine = highest.setdefault(topic, {})
            for partition, offset in partitions.items():
                mine[partition] = max(offset, mine.get(partition, offset))
    return highest


def passed_offsets(settings: Settings) -> Offsets:
    """Next offset of each partition after everything that is in the lake, from ops.intake_batch."""
    rows = lake.read(settings, "ops.intake_batch", ["end_offsets"])
    return merge(json.loads(text) for text in set(rows.column("end_offsets").to_pylist()))


def is_passed(passed: Offsets, cut: Offsets) -> bool:
    """Whether every partition of the cut that intake reads has been passed."""
    return all(
        offset <= passed.get(topic, {}).get(partition, 0)
        for topic, partitions in cut.items()
        if topic in TOPICS
        for partition, offset in partitions.items()
    )


def wait_until_passed(settings: Settings, cut: Offsets, timeout_seconds: float = 600) -> float:
    """Wait until the lake holds everything before ``cut`` ({topic: {partition: next offset}}); returns seconds waited.

    Raises CairnError after ``timeout_seconds``, naming how far behind intake is.
    """
    started = time.monotonic()
    while True:
        passed = passed_offsets(settings)
        if is_passed(passed, cut):
            return time.monotonic() - started
        if time.monotonic() - started > timeout_seconds:
            behind = sum(lag(passed, cut).values())
            raise CairnError(
                f"intake is still {behind} records behind after {timeout_seconds:.0f} s: "
                "see 'cairn status' and 'cairn logs intake', then try again"
            )
        time.sleep(0.5)


def lag(passed: Offsets, end: Offsets) -> dict[str, int]:
    """Records not yet in the lake, per topic (offsets, so markers of transactions count as well)."""
    return {
        topic: sum(max(0, offset - passed.get(topic, {}).get(partition, 0)) for partition, offset in partitions.items())
        for topic, partitions in end.items()
        if topic in TOPICS
    }


def offsets_of(checkpoint: Path, batch_id: int) -> Offsets:
    """End offsets of a batch, from the checkpoint's log, which Spark writes before it runs the batch.

    The rows alone cannot say: markers of transactions take offsets too, and carry no row.
    """
    for line in reversed((checkpoint / "offsets" / str(batch_id)).read_text(encoding="utf-8").splitlines()):
        found = _offsets_in(json.loads(line)) if line.startswith("{") else None
        if found is not None:
            return found
    raise CairnError(f"no Kafka offsets in {checkpoint}/offsets/{batch_id}: remove the checkpoint and start again")


def _offsets_in(parsed: Any) -> Offsets | None:
    """The source's offsets within a line of the log: plain, or as the value of a map of sources."""
    if not isinstance(parsed, dict):
        return None
    if parsed and all(isinstance(v, dict) and all(isinstance(o, int) for o in v.values()) for v in parsed.values()):
        return parsed
    for value in parsed.values():
        inner = json.loads(value) if isinstance(value, str) and value.startswith("{") else value
        found = _offsets_in(inner)
        if found:
            return found
    return None


def open_checkpoint(settings: Settings) -> tuple[Path, Offsets]:
    """The checkpoint to go on with and the offsets to start from where it is new.

    A checkpoint is lost where its folder is gone, is empty, or is older or newer than the lake (one of the two was
    restored from a backup). Then
    rows of a batch that was torn (its row in ops.intake_batch is missing) are removed, and a new checkpoint starts
    where the last whole batch ended: nothing is lost and nothing is there twice. Call with the lease held.
    """
    root = settings.checkpoints_dir / "intake"
    root.mkdir(parents=True, exist_ok=True)
    written = _last_batches(settings)
    for folder in sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
        if _agrees(folder, written):
            return folder, {}
    remove_torn_batches(settings)
    folder = root / f"intake-{uuid.uuid4().hex[:12]}"
    return folder, passed_offsets(settings)


def _agrees(folder: Path, written: list[tuple[str, int]]) -> bool:
    """Whether the checkpoint and the lake tell the same story of who wrote last and how far."""
    planned = _numbers(folder / "offsets")
    in_lake = dict(written).get(folder.name, -1)
    is_last_writer = not written or folder.name == written[-1][0] or in_lake < 0
    return bool(planned) and is_last_writer and max(_numbers(folder / "commits"), default=-1) <= in_lake <= max(planned)


def _numbers(folder: Path) -> list[int]:
    """Batches that a log of the checkpoint names."""
    return [int(path.name) for path in folder.glob("*") if path.name.isdigit()]


def _last_batches(settings: Settings) -> list[tuple[str, int]]:
    """Application ids with their last batch in the lake, oldest writer first."""
    rows = lake.read(settings, "ops.intake_batch", ["intake_app_id", "batch_id", "written_at"]).to_pylist()
    last: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: row["written_at"]):
        last.pop(row["intake_app_id"], None)
        last[row["intake_app_id"]] = row["batch_id"]
    return list(last.items())


def remove_torn_batches(settings: Settings) -> int:
    """Delete rows of batches that never got their row in ops.intake_batch; returns how many batches were torn."""
    whole = {
        (row["intake_app_id"], row["batch_id"])
        for row in lake.read(settings, "ops.intake_batch", ["intake_app_id", "batch_id"]).to_pylist()
    }
    torn: set[tuple[str, int]] = set()
    for name in WRITTEN_TABLES:
        found = lake.read(settings, name, ["intake_app_id", "batch_id"]).group_by(["intake_app_id", "batch_id"])
        rows = found.aggregate([]).to_pylist()
        here = {(row["intake_app_id"], row["batch_id"]) for row in rows} - whole
        for app_id, batch_id in here:
            lake.delete_rows(settings, name, (pc.field("intake_app_id") == app_id) & (pc.field("batch_id") == batch_id))
        torn |= here
    return len(torn)


def starting_offsets(start: Offsets, partitions: dict[str, list[int]]) -> str:
    """Spark's ``startingOffsets``: each partition from where the lake ends, the others from their beginning."""
    if not start:
        return "earliest"
    return json.dumps(
        {
            topic: {str(number): start.get(topic, {}).get(str(number), EARLIEST_OFFSET) for number in numbers}
            for topic, numbers in partitions.items()
        }
    )
