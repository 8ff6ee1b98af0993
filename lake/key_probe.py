"""Rows by their 64-bit key, out of a table that is too big to be scanned for a few of them.

Nothing is written for it beside the table. Of a small file the keys are held in memory, of a big one the lowest and
highest key of each row group, both by the file's path: a file never changes, so what was read of it stays true. A
question then reads only row groups whose range holds one of the keys asked for; in files sorted by the key that is
about one group a key. Memory is bounded by ``HELD_FILE_ROWS`` times the small files, which compaction keeps few.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from cairn.settings import Settings
from lake.dataset import table_files
from lake.files import File
from lake.location import table_filesystem
from lake.shape import file_schema

Keys = npt.NDArray[np.int64]
Groups = npt.NDArray[np.int64]
LOWEST, HIGHEST = -(2**63), 2**63 - 1
HELD_FILE_ROWS = 128 * 1024
# Row groups whose other columns are read at once, where their keys were hit.
GROUPS_AT_ONCE = 32


@dataclass(frozen=True)
class _Known:
    """What is remembered of a file: its footer, each row group's range, and the sorted keys of a small one."""

    footer: pq.FileMetaData
    low: Keys
    high: Keys
    held: Keys | None


@dataclass
class KeyProbe:
    """Finds rows of table ``name`` by the bigint column ``key``; keep one for as long as a process asks.

    ``row_groups_read`` counts what the questions read since the probe was made.
    """

    settings: Settings
    name: str
    key: str
    row_groups_read: int = 0
    _known: dict[str, _Known] = field(default_factory=dict)

    def find(self, keys: Keys, columns: Sequence[str], files: Sequence[File] | None = None) -> pa.Table:
        """Every row whose key is among ``keys``, in ``columns``; none where the table was not created yet.

        ``files`` are those of the table now, where the caller has listed them already. The hash of another value may
        be equal: compare the value itself.
        """
        asked = np.sort(keys)
        listed = table_files(self.settings, self.name) if files is None else files
        here = {file.path for file in listed}
        self._known = {path: known for path, known in self._known.items() if path in here}
        schema = pa.schema([file_schema(self.name).field(column) for column in columns])
        if not len(asked) or not listed:
            return schema.empty_table()
        filesystem = table_filesystem(self.settings, self.name)
        with ThreadPoolExecutor(max_workers=pa.cpu_count() + 1) as pool:
            answers = list(pool.map(lambda file: self._in_file(filesystem, file, asked, schema), listed))
        self.row_groups_read += sum(count for count, _ in answers)
        return pa.concat_tables([schema.empty_table(), *(part for _, parts in answers for part in parts)])

    def _in_file(
        self, filesystem: fs.FileSystem, file: File, asked: Keys, schema: pa.Schema
    ) -> tuple[int, list[pa.Table]]:
        """How many row groups were read for their keys, and the rows found."""
        known = self._known.get(file.path)
        if known is None:
            known = self._known[file.path] = self._learn(filesystem, file)
        if known.held is not None and not len(_common(known.held, asked)):
            return 0, []
        groups = _groups_with(known, asked)
        if not len(groups):
            return 0, []
        with filesystem.open_input_file(unquote(file.path)) as handle:
            opened = pq.ParquetFile(handle, metadata=known.footer, pre_buffer=True)
            hit = groups.tolist() if known.held is not None else self._hit_groups(opened, known, groups, asked)
            columns, wanted = list(dict.fromkeys([self.key, *schema.names])), pa.array(asked)
            parts = []
            for some in _portions(hit):
                rows = opened.read_row_groups(some, columns=columns)
                chosen = rows.filter(pc.is_in(rows.column(self.key), value_set=wanted))
                parts.append(chosen.select(schema.names).cast(schema))
            return len(groups), parts

    def _hit_groups(self, opened: pq.ParquetFile, known: _Known, groups: Groups, asked: Keys) -> list[int]:
        """Row groups that really hold one of the keys; their ranges only said that they may."""
        hit = []
        for some in _portions(groups.tolist()):
            values = opened.read_row_groups(some, columns=[self.key]).column(0).to_numpy()
            sizes = [known.footer.row_group(group).num_rows for group in some]
            parts = np.split(values, np.cumsum(sizes)[:-1])
            hit += [group for group, part in zip(some, parts, strict=True) if len(_common(part, asked))]
        return hit

    def _learn(self, filesystem: fs.FileSystem, file: File) -> _Known:
        with filesystem.open_input_file(unquote(file.path)) as handle:
            opened = pq.ParquetFile(handle, pre_buffer=True)
            footer = opened.metadata
            place = footer.schema.names.index(self.key)
            ends = [footer.row_group(group).column(place).statistics for group in range(footer.num_row_groups)]
            low = np.array([one.min if one and one.has_min_max else LOWEST for one in ends], np.int64)
            high = np.array([one.max if one and one.has_min_max else HIGHEST for one in ends], np.int64)
            held = None
            if footer.num_rows <= HELD_FILE_ROWS:
                held = np.sort(opened.read(columns=[self.key]).column(0).to_numpy())
            return _Known(footer, low, high, held)


def _portions(groups: list[int]) -> list[list[int]]:
    return [groups[start : start + GROUPS_AT_ONCE] for start in range(0, len(groups), GROUPS_AT_ONCE)]


def _groups_with(known: _Known, asked: Keys) -> Groups:
    """Row groups whose range holds one of the (sorted) keys."""
    return np.flatnonzero(np.searchsorted(asked, known.high, "right") > np.searchsorted(asked, known.low, "left"))


def _common(values: Keys, asked: Keys) -> Keys:
    """The asked keys (sorted) that are among the values."""
    if not len(values):
        return values
    if np.any(values[1:] < values[:-1]):
        values = np.sort(values)
    within = asked[np.searchsorted(asked, values[0], "left") : np.searchsorted(asked, values[-1], "right")]
    places = np.minimum(np.searchsorted(values, within), len(values) - 1)
    common: Keys = within[values[places] == within]
    return common
