"""Rows taken out of a table, or replaced, by what they say.

The files that hold them are written anew without them, in one commit. Not deltalake's DELETE and MERGE: what those
write carries text statistics that Arrow readers cannot compare. One file at a time is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cairn.contracts import load_contract
from cairn.settings import Settings
from lake.commit import as_partition, commit_files, create, write_files
from lake.dataset import EVERY, Partitions, dataset_of, table_files
from lake.files import DEFAULT_LAYOUT, Layout, write_file
from lake.location import exists, open_table
from lake.shape import conform

_SEPARATOR = "\x1f"


def delete_rows(settings: Settings, name: str, condition: Any, partitions: Partitions = EVERY) -> int:
    """Delete the rows for which a pyarrow expression is true (of some partitions where named); returns how many.

    A row of which the condition says nothing (null) stays. Raises CairnError where another writer rewrites the same
    files meanwhile.
    """
    if not exists(settings, name):
        return 0

    def kept(data: pa.dataset.Dataset) -> list[pa.Table] | None:
        if not data.count_rows(filter=condition):
            return None
        return [data.to_table(filter=~pc.coalesce(condition, pc.scalar(False)))]

    return _rewrite(settings, name, kept, partitions, ())


def change_rows(
    settings: Settings,
    name: str,
    changed: Callable[[pa.Table], pa.Table | None],
    among: Any = None,
    layout: Layout = DEFAULT_LAYOUT,
) -> int:
    """Write the files anew of which ``changed`` makes other rows (None: as they are), in one commit; how many went.

    ``among``: a pyarrow expression; files without a row that meets it are not looked into. The order of rows within a
    file is kept. Raises CairnError where another writer rewrites the same files meanwhile.
    """
    if not exists(settings, name):
        return 0

    def kept(data: pa.dataset.Dataset) -> list[pa.Table] | None:
        if among is not None and not data.count_rows(filter=among):
            return None
        rows = changed(data.to_table())
        return None if rows is None else [rows]

    return _rewrite(settings, name, kept, EVERY, (), layout)


def replace_rows(
    settings: Settings,
    name: str,
    rows: pa.Table | Sequence[pa.Table],
    keys: Sequence[str],
    partitions: Partitions = EVERY,
    among: Any = None,
) -> int:
    """Put the rows in place of those with the same keys, and add those that are new, in one commit.

    Several tables become files apart. ``among``: a pyarrow expression that every row to be replaced meets; files whose
    statistics say that they hold no such row are not looked into, and in a file that is, the others are put apart, so
    that they are never written again. Returns how many rows went. The keys are told apart as text, which no key may
    hold a unit separator in. Raises CairnError where another writer rewrites the same files meanwhile.
    """
    create(settings, name)
    tables = [conform(part, name) for part in ([rows] if isinstance(rows, pa.Table) else rows)]
    asked = pa.concat_arrays([_as_text(part, keys) for part in tables])

    def kept(data: pa.dataset.Dataset) -> list[pa.Table] | None:
        if among is not None and not data.count_rows(filter=among):
            return None
        is_hit = pc.is_in(_as_text(data.to_table(columns=list(keys), filter=among), keys), value_set=asked)
        if not pc.any(is_hit).as_py():
            return None
        staying = data.to_table(filter=among).filter(pc.invert(is_hit))
        return [staying] if among is None else [staying, data.to_table(filter=~pc.coalesce(among, pc.scalar(False)))]

    return _rewrite(settings, name, kept, partitions, tables)


def _as_text(table: pa.Table, keys: Sequence[str]) -> pa.Array:
    parts = [pc.fill_null(table[key].cast(pa.string()), "\x00") for key in keys]
    joined = pc.binary_join_element_wise(*parts, _SEPARATOR)
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _rewrite(
    settings: Settings,
    name: str,
    kept: Callable[[pa.dataset.Dataset], list[pa.Table] | None],
    partitions: Partitions,
    tables: Sequence[pa.Table],
    layout: Layout = DEFAULT_LAYOUT,
) -> int:
    """Write anew the files of which ``kept`` gives what stays (None: all), add the tables; returns rows gone."""
    kinds = {column.name: column.type for column in load_contract(name).columns}
    base = open_table(settings, name)
    added, removed, gone = [], [], 0
    for file in table_files(settings, name, partitions, base.version()):
        staying = kept(dataset_of(settings, name, [file]))
        if staying is None:
            continue
        gone += file.rows - sum(part.num_rows for part in staying)
        removed.append(file)
        values = {column: as_partition(text, kinds[column]) for column, text in file.partitions.items()}
        added += [write_file(settings, name, part, values, layout) for part in staying if part.num_rows]
    for rows in tables:
        if rows.num_rows:
            added += write_files(settings, name, rows)
    commit_files(settings, name, added, removed=removed, base=base)
    return gone
