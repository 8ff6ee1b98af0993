"""Marts of a learning release as frames, for commands that evaluate on one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from cairn.errors import CairnError, UsageError
from cairn.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from releases.store import Release


def frames(settings: Settings, tables: Sequence[str], as_of: str | None) -> tuple[Release, list[pd.DataFrame]]:
    """The current learning release (or the newest up to the day ``as_of``) and these tables of it.

    Raises CairnError where there is none yet, UsageError where the day is not a date.
    """
    from releases import store

    release = store.current(settings, "learning")
    if as_of is not None:
        try:
            day = date.fromisoformat(as_of[:10])
        except ValueError:
            raise UsageError(f"--as-of {as_of}: give a day, such as 2026-10-14") from None
        release = next((r for r in store.list_releases(settings, "learning") if r.data_date <= day), None)
    if release is None:
        raise CairnError("no learning release to evaluate on; run 'cairn night run' (see 'cairn marts releases')")
    connection = store.open_release(settings, "learning", release.release_id)
    try:
        return release, [connection.execute(f'select * from "{table}"').df() for table in tables]
    finally:
        connection.close()
