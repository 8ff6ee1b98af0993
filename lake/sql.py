"""DuckDB over rows of the lake, within bounds: joins and counts that must not grow with the district in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from cairn.settings import Settings

THREADS = 2
Connection = duckdb.DuckDBPyConnection


@contextmanager
def bounded(settings: Settings, memory_limit: str = "512MB") -> Iterator[Connection]:
    """A connection in memory, in UTC, that takes so much of it and then disk (``home/spill``), closed at the end."""
    with duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": THREADS,
            "temp_directory": str(settings.home / "spill"),
        }
    ) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection
