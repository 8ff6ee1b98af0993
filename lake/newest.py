"""Reading a table many times a minute: its list of files is kept, and made anew when the log has gone on.

To open a table takes longer than to read a class's rows of it. What a reader sees is what :func:`lake.read` would show:
each read looks first whether a commit has come.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from lake.dataset import dataset
from lake.location import exists, open_table, table_filesystem, table_uri

MOST = 16


@dataclass(frozen=True)
class _Kept:
    """A table at one version, and when the commit of that version was written: its name alone would not tell a table
    from one that a backup put in its place."""

    version: int
    committed_at_ns: int
    dataset: ds.Dataset


_KEPT: OrderedDict[tuple[str, str, int], _Kept] = OrderedDict()
_LOCK = threading.Lock()


def read_newest(settings: Settings, name: str, filters: Any = None) -> pa.Table | None:
    """As :func:`lake.read` of a small table, all columns of the contract; None where it was not created yet.

    Raises CairnError for a table whose contract asks for a partition filter.
    """
    if load_contract(name).needs_partition_filter:
        raise CairnError(f"{name} is too big to be read whole: read it by its partitions (lake.read)")
    filesystem = table_filesystem(settings, name)
    # A file system must not be carried over a fork, nor is a table of another store the same.
    key = (table_uri(settings, name), settings.object_store_endpoint, os.getpid())
    with _LOCK:
        kept = _KEPT.get(key)
    if kept is None or not _is_newest(kept, filesystem):
        kept = _opened(settings, name, filesystem)
        with _LOCK:
            _KEPT.pop(key, None)
            if kept is not None:
                _KEPT[key] = kept
            while len(_KEPT) > MOST:
                _KEPT.popitem(last=False)
    if kept is None:
        return None
    return kept.dataset.to_table(columns=list(load_contract(name).column_names), filter=filters)


def _opened(settings: Settings, name: str, filesystem: fs.FileSystem) -> _Kept | None:
    """The table as it is now. When its commit was written is asked before its files are: were another table put in its
    place between, the next read would see that the time is not the same, and open it anew."""
    if not exists(settings, name):
        return None
    version = int(open_table(settings, name).version())
    committed = filesystem.get_file_info(_commit(version))
    return _Kept(version, committed.mtime_ns or 0, dataset(settings, name, version=version))


def _is_newest(kept: _Kept, filesystem: fs.FileSystem) -> bool:
    """Whether the version's commit lies where it lay and none has come after it. Upkeep may have taken the commit
    away (a checkpoint stands for it): then nothing can be said, and the table is opened anew."""
    own, next_one = filesystem.get_file_info([_commit(kept.version), _commit(kept.version + 1)])
    is_there = own.type == fs.FileType.File and own.mtime_ns == kept.committed_at_ns
    return bool(is_there and next_one.type == fs.FileType.NotFound)


def _commit(version: int) -> str:
    return f"_delta_log/{version:020d}.json"
