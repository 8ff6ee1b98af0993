"""Marts of one learning release as frames, for what is evaluated on it."""

from __future__ import annotations

from datetime import date

import duckdb
import pandas as pd

from cairn.errors import CairnError
from cairn.settings import Settings
from releases import store

KIND = "learning"


def release_of(settings: Settings, as_of: date | None = None) -> store.Release:
    """The current learning release, or the newest up to the day ``as_of``. Raises CairnError where there is none."""
    release = store.current(settings, KIND)
    if as_of is not None:
        release = next((one for one in store.list_releases(settings, KIND) if one.data_date <= as_of), None)
    if release is None:
        until = f" up to {as_of}" if as_of else ""
        raise CairnError(
            f"no learning release{until} to evaluate on: run 'cairn night run' (see 'cairn marts releases')"
        )
    return release


def marts_of(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The marts that an open release holds: one from before there was a mart lacks it."""
    return {name for (name,) in connection.execute("select table_name from information_schema.tables").fetchall()}


def frame(connection: duckdb.DuckDBPyConnection, table: str, pilot_id: str | None = None) -> pd.DataFrame:
    """A mart, or one pilot's rows of it, in an order that does not depend on how it was written."""
    where, values = (" where pilot_id = ?", [pilot_id]) if pilot_id else ("", [])
    return connection.execute(f"select * from {table}{where} order by all", values).df()
