"""One night at a time on a home, and no step of a night that another one has overtaken.

A night's steps may come from several processes, one after another (a DAG has a task for some of them): between two of
them the lock is free and another night may begin. ``.open`` names the night that began last; the steps of an
earlier one are then refused, since mastery and marts have moved on to other evidence.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from cairn.errors import CairnError
from cairn.settings import Settings
from releases import store


@contextmanager
def one_night(settings: Settings) -> Iterator[None]:
    """Hold the lock of the nights. Raises CairnError where another process holds it."""
    settings.night_dir.mkdir(parents=True, exist_ok=True)
    with _path(settings).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CairnError("another night is running: see 'cairn night status' and wait for it") from None
        yield


def is_running(settings: Settings) -> bool:
    """Whether a process holds the lock."""
    if not _path(settings).exists():
        return False
    with _path(settings).open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def begin(settings: Settings, data_date: date) -> None:
    """Note that the night of ``data_date`` begins: it overtakes any other that is not done."""
    store.write_json(_open_path(settings), {"data_date": data_date.isoformat()})


def refuse_overtaken(settings: Settings, data_date: date) -> None:
    """Raise CairnError where another night began since this one did."""
    try:
        newest = json.loads(_open_path(settings).read_text(encoding="utf-8"))["data_date"]
    except FileNotFoundError:
        return
    if newest != data_date.isoformat():
        raise CairnError(
            f"night {data_date} was overtaken by the night of {newest}, which began after it: "
            f"run it from the start with 'cairn night run --date {data_date}'"
        )


def _path(settings: Settings) -> Path:
    return settings.night_dir / ".lock"


def _open_path(settings: Settings) -> Path:
    return settings.night_dir / ".open"
