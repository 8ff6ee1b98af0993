"""Sorted files of a partition merged into one sorted file, of any size, in little memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cairn.settings import Settings
from lake.files import File, Layout, PartitionValue, write_file
from lake.location import table_filesystem

MERGE_ROWS = 512 * 1024


class _Run:
    """A sorted file that is read from its lowest key upwards."""

    def __init__(self, opened: pq.ParquetFile, key: str) -> None:
        self.opened, self.key = opened, key
        footer = opened.metadata
        place = footer.schema.names.index(key)
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        self.low = [group.column(place).statistics.min for group in groups]
        self.high = [group.column(place).statistics.max for group in groups]
        self.sizes = [group.num_rows for group in groups]
        self.next = 0
        self.rest: pa.Table | None = None

    def upto(self, key: int) -> pa.Table:
        """The rows not given yet whose key is at most ``key``."""
        first = self.next
        while self.next < len(self.low) and self.low[self.next] <= key:
            self.next += 1
        parts = [] if self.rest is None else [self.rest]
        if self.next > first:
            parts.append(self.opened.read_row_groups(list(range(first, self.next))))
        if not parts:
            return self.opened.schema_arrow.empty_table()
        rows = pa.concat_tables(parts)
        cut = int(np.searchsorted(rows.column(self.key).to_numpy(), key, "right"))
        self.rest = rows.slice(cut)
        return rows.slice(0, cut)


def merge_sorted(
    settings: Settings,
    name: str,
    files: Sequence[File],
    key: str,
    partitions: Mapping[str, PartitionValue],
    layout: Layout,
) -> File:
    """Merge files that are each sorted by the bigint column ``key`` into one, not yet committed.

    About ``MERGE_ROWS`` rows, and a row group of each file, are held at a time.
    """
    filesystem = table_filesystem(settings, name)
    with ExitStack() as stack:
        opened = [stack.enter_context(filesystem.open_input_file(unquote(file.path))) for file in files]
        runs = [_Run(pq.ParquetFile(one), key) for one in opened]
        return write_file(settings, name, _merged(runs, key), partitions, layout=layout)


def _merged(runs: Sequence[_Run], key: str) -> Iterator[pa.Table]:
    for cut in _cuts(runs):
        rows = pa.concat_tables([run.upto(cut) for run in runs])
        if rows.num_rows:
            yield rows.take(pa.array(np.argsort(rows.column(key).to_numpy(), kind="stable")))


def _cuts(runs: Sequence[_Run]) -> list[int]:
    """Keys at which about ``MERGE_ROWS`` more rows have come, the highest of all last."""
    ends = sorted(pair for run in runs for pair in zip(run.high, run.sizes, strict=True))
    cuts, since = [], 0
    for place, (high, size) in enumerate(ends):
        since += size
        if since >= MERGE_ROWS or place == len(ends) - 1:
            cuts.append(high)
            since = 0
    return cuts
