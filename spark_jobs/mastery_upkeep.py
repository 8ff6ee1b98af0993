"""Keeping current views cheap: a bucket's changes are merged into its base when they have become many.

What a night appends is read beside the base by everybody until then. The merged files say the same (Delta: no data
change), earlier versions stay readable until ``lake.vacuum``, and the merge is a night of its own on record, so that
readers move over at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark import SparkContext

import lake
from cairn.mastery import arrow
from cairn.mastery.ledger import DAY as DAY_KEYS
from cairn.mastery.ledger import newest
from cairn.mastery.resolve import standing
from cairn.settings import Settings
from spark_jobs import night_record, tasks
from spark_jobs.evidence import evidence_keys, waiting_keys
from spark_jobs.mastery_layout import LAYOUT
from spark_jobs.night_record import DAY, DECISION, EVIDENCE, STATE, WAITING, NightRecord

# A bucket with so many files is merged: about two weeks of nights.
MANY_FILES = 15
ORDER = {
    EVIDENCE: ("student_key", "competency_id", "event_time"),
    WAITING: ("subject_key", "event_time"),
    STATE: ("student_key", "competency_id"),
    DAY: ("student_key", "competency_id", "work_date"),
    DECISION: ("student_key", "competency_id", "decided_at"),
}


@dataclass(frozen=True)
class _Merge:
    """One bucket's files of a table, to become one."""

    table: str
    files: list[lake.File]


def compact_if_due(context: SparkContext, settings: Settings, last: NightRecord) -> list[str]:
    """Merge buckets that have become many files; returns which could not be read. Call with the lease held."""
    fullest = 0
    for name in ORDER:
        fullest = max(fullest, *(len(files) for files in _groups(settings, name, last).values()), 0)
    if fullest < MANY_FILES:
        return []
    return compact(context, settings, last)


def compact(context: SparkContext, settings: Settings, last: NightRecord) -> list[str]:
    """Merge every bucket of more than one file, and put it on record; returns which could not be read and stay."""
    work = [_Merge(name, files) for name in ORDER for files in _groups(settings, name, last).values() if len(files) > 1]
    if not work:
        return []
    made = tasks.run(context, "compaction", work, lambda one: _merged(one, settings))
    problems = [one for one in made if isinstance(one, str)]
    pairs = [(one, files) for one, files in zip(work, made, strict=True) if not isinstance(files, str)]
    if not pairs:
        return problems
    versions = dict(last.versions)
    for name in ORDER:
        gone = [file for one, _ in pairs if one.table == name for file in one.files]
        files = [file for one, new in pairs if one.table == name for file in new]
        base = lake.open_table(settings, name, versions[name])
        done = lake.commit_files(settings, name, files, removed=gone, base=base, is_data_change=False)
        if done is not None:
            versions[name] = done
    record = replace(last, night=last.night + 1, kind="compaction", versions=versions, pairs=0, attempts=0, decisions=0)
    night_record.record(settings, record)
    return problems


def _groups(settings: Settings, name: str, last: NightRecord) -> dict[tuple[str | None, ...], list[lake.File]]:
    return lake.by_partition(lake.table_files(settings, name, lake.EVERY, last.versions[name]))


def _merged(work: _Merge, settings: Settings) -> list[lake.File] | str:
    """The bucket as one file, or why it cannot be read."""
    try:
        return merge_bucket(work, settings)
    except (OSError, pa.ArrowInvalid) as error:
        return f"{work.table}: {str(error).splitlines()[0][:300]}"


def merge_bucket(work: _Merge, settings: Settings) -> list[lake.File]:
    """The rows that stand, in order, as one file; none where nothing is left."""
    partitions: dict[str, lake.PartitionValue] = {
        name: int(text) if name.endswith("bucket") and text is not None else text
        for name, text in work.files[0].partitions.items()
    }
    columns = [name for name in lake.file_schema(work.table).names if name not in partitions]
    text = [field.name for field in lake.file_schema(work.table) if field.type == pa.string()]
    coded = [name for name in text if name in columns and name not in {"event_id", "decision_id"}]
    rows = lake.read_files(settings, work.table, work.files, columns, dictionaries=coded)
    rows = _kept(work.table, rows, partitions)
    if rows.num_rows == 0:
        return []
    rows = _ordered(rows, ORDER[work.table])
    return [lake.write_file(settings, work.table, rows, partitions, layout=LAYOUT[work.table])]


def _kept(table: str, rows: pa.Table, partitions: dict[str, lake.PartitionValue]) -> pa.Table:
    if table == DECISION:
        return rows  # a ledger forgets nothing
    if table == EVIDENCE:
        return standing(rows, evidence_keys(rows))
    if table == WAITING:
        reasons = pa.array([partitions["waits_for"]] * rows.num_rows, pa.string())
        return standing(rows, waiting_keys(rows.append_column("waits_for", reasons)))
    rows = newest(rows, ("pair_key",) if table == STATE else DAY_KEYS)
    rows = rows.filter(pa.compute.invert(rows["is_removed"]))
    place = rows.column_names.index("is_base")
    return rows.set_column(place, "is_base", pa.array(np.full(rows.num_rows, True)))


def _ordered(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    keys = []
    for name in reversed(names):
        is_text = pa.types.is_dictionary(rows[name].type) or pa.types.is_string(rows[name].type)
        keys.append(arrow.coded(rows[name])[0] if is_text else arrow.integers(rows[name]))
    return rows.take(pa.array(np.lexsort(keys)))
