"""Where intake stands: its lease, its checkpoint's identity, the offsets that the lake has passed.

A checkpoint is a folder ``checkpoints/intake/<app_id>/``; its name is the application id of every Delta transaction it
makes. A new checkpoint gets a new name, so its batch numbers, which begin at 0 again, never look written already.
"""

from __future__ import annotations

import json
import time
import uuid
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.topics import Offsets, is_passed, lag, merge

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
# Batches of the newest days say how far intake has come: each names every partition of the topics.
NEWEST_DAYS = 2
# How long the one who waits sleeps: short at first, so that a demo does not notice, then rarely.
FIRST_SLEEP, LONGEST_SLEEP = 0.2, 1.5
ASK_AGAIN_SECONDS = 10.0
# Clocks of writers may differ by less than this.
CLOCK_MARGIN = timedelta(hours=1)

Identity = tuple[str, int]


def lease(settings: Settings) -> AbstractContextManager[lake.Lease | None]:
    """Hold the intake's lease for the ``with`` block; yields None where another process holds it."""
    return lake.lease(settings, "intake")


def newest_batches(settings: Settings) -> pa.Table:
    """Rows of ops.intake_batch of the newest days that have any, and of no day (none is written so any more)."""
    name = "ops.intake_batch"
    days = lake.partition_values(settings, name, "written_date") if lake.exists(settings, name) else []
    return lake.read(settings, name, partitions={"written_date": [None, *days[-NEWEST_DAYS:]]})


def passed_offsets(settings: Settings) -> Offsets:
    """Next offset of each partition after everything that is in the lake, from the newest rows of ops.intake_batch."""
    texts = newest_batches(settings).column("end_offsets").to_pylist()
    return merge(json.loads(text) for text in set(texts))


def ask_for_batch(settings: Settings) -> None:
    """Ask the intake service, where one runs, for a batch now instead of at its own pace."""
    path = request_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(datetime.now(UTC).isoformat(), encoding="utf-8")


def request_path(settings: Settings) -> Path:
    """The file whose writing asks for a batch."""
    return settings.checkpoints_dir / "intake.asked"


def accept_loss(settings: Settings) -> None:
    """Let the next batch go on although a topic lost records before they were taken in; the books say which."""
    path = loss_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(datetime.now(UTC).isoformat(), encoding="utf-8")


def loss_path(settings: Settings) -> Path:
    """The file that says so; the batch that goes on takes it away."""
    return settings.checkpoints_dir / "intake.loss_accepted"


def wait_until_passed(settings: Settings, cut: Offsets, timeout_seconds: float = 600) -> float:
    """Wait until the lake holds everything before ``cut`` ({topic: {partition: next offset}}); returns seconds waited.

    Asks the intake service for a batch meanwhile. Raises CairnError after ``timeout_seconds``, naming how far behind
    intake is.
    """
    started = time.monotonic()
    asked: float | None = None
    sleep = FIRST_SLEEP
    while True:
        passed = passed_offsets(settings)
        now = time.monotonic()
        if is_passed(passed, cut):
            return now - started
        if now - started > timeout_seconds:
            behind = sum(lag(passed, cut).values())
            raise CairnError(
                f"intake is still {behind} records behind after {timeout_seconds:.0f} s: "
                "see 'cairn status' and 'cairn logs intake', then try again"
            )
        if asked is None or now - asked > ASK_AGAIN_SECONDS:
            ask_for_batch(settings)
            asked = now
        time.sleep(sleep)
        sleep = min(sleep * 1.5, LONGEST_SLEEP)


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
    restored from a backup). Then rows of a batch that was torn (its row in ops.intake_batch is missing) are removed,
    and a new checkpoint starts where the last whole batch ended: nothing is lost and nothing is there twice. Call with
    the lease held.
    """
    root = settings.checkpoints_dir / "intake"
    root.mkdir(parents=True, exist_ok=True)
    written = _last_batches(newest_batches(settings))
    for folder in sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
        if folder.name not in dict(written):
            written = last_transactions(settings)  # it wrote long ago or never: the newest days cannot say which
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


def _last_batches(rows: pa.Table) -> list[Identity]:
    """Application ids with their last batch among the rows, oldest writer first."""
    last: dict[str, int] = {}
    for row in sorted(rows.to_pylist(), key=lambda row: (row["written_at"], row["batch_id"])):
        last.pop(row["intake_app_id"], None)
        last[row["intake_app_id"]] = row["batch_id"]
    return list(last.items())


def last_transactions(settings: Settings) -> list[Identity]:
    """The last whole batch of every checkpoint that ever wrote, oldest writer first. Reads all of ops.intake_batch."""
    columns = ["intake_app_id", "batch_id", "written_at"]
    return _last_batches(lake.read(settings, "ops.intake_batch", columns, partitions=lake.EVERY))


def remove_torn_batches(settings: Settings) -> int:
    """Delete rows of batches that never got their row in ops.intake_batch; returns how many batches were torn.

    A torn batch is the last that was written: only files that were written since the last whole one are looked at
    (compaction may have put its rows into a file with others, which is then younger still).
    """
    columns = ["intake_app_id", "batch_id"]
    rows = lake.read(settings, "ops.intake_batch", [*columns, "written_at"], partitions=lake.EVERY)
    whole = set(zip(*(rows.column(column).to_pylist() for column in columns), strict=True))
    last = pc.max(rows.column("written_at")).as_py()
    since = int((last - CLOCK_MARGIN).timestamp() * 1000) if last else 0
    torn: set[Identity] = set()
    for name in WRITTEN_TABLES:
        files = [file for file in lake.table_files(settings, name) if file.written_ms >= since]
        if files:
            torn |= _remove_torn(settings, name, files, whole)
    return len(torn)


def _remove_torn(settings: Settings, name: str, files: list[lake.File], whole: set[Identity]) -> set[Identity]:
    """Delete, of the partitions that the files lie in, rows of batches that are not whole; returns those batches."""
    columns = ["intake_app_id", "batch_id"]
    found = lake.read_files(settings, name, files, columns).group_by(columns).aggregate([]).to_pylist()
    torn = {(row["intake_app_id"], row["batch_id"]) for row in found} - whole
    if torn:
        is_torn = None
        for app_id, batch_id in sorted(torn):
            one = (pc.field("intake_app_id") == app_id) & (pc.field("batch_id") == batch_id)
            is_torn = one if is_torn is None else is_torn | one
        lake.delete_rows(settings, name, is_torn, lake.partitions_of(name, files))
    return torn


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
