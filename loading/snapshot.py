"""What arrives for a two-time table and what applying it did; see ``history``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa

from cairn.contracts import Contract
from cairn.errors import CairnError

RECORDED = ("recorded_from", "recorded_to")
# Values of a contract's columns, by name.
Row = Mapping[str, object]


@dataclass(frozen=True)
class Change:
    """What applying a snapshot did, in rows (keys)."""

    added: int = 0
    changed: int = 0
    ended: int = 0

    def __add__(self, other: Change) -> Change:
        """Both together."""
        return Change(self.added + other.added, self.changed + other.changed, self.ended + other.ended)


@dataclass(frozen=True)
class Snapshot:
    """What arrived for one table.

    ``rows``: dicts (or an Arrow table) in the contract's columns without the recorded times, one a key. ``is_bulk``:
    keys it does not name have ended, within ``scope`` (column -> value) where given. ``ended_ids``: named as ended;
    ``kept_ids``: to be left as they are (their row was refused); both are values of the first key column.
    ``ends_on``: day on which what has ended was last true; where given, an ended row keeps living with that
    valid_to_date in a version of its own, since it is still true for its days, and a row whose valid_to_date has
    passed has nothing left to end.
    """

    table: str
    rows: Sequence[Row] | pa.Table
    is_bulk: bool = False
    ended_ids: Collection[str] = ()
    kept_ids: Collection[str] = ()
    scope: Mapping[str, str] = field(default_factory=dict)
    ends_on: date | None = None


def keys_of(contract: Contract) -> list[str]:
    """Key columns without the recorded times: what one thing in the world is known by."""
    return [name for name in contract.keys if name not in RECORDED]


def payload_of(contract: Contract) -> list[str]:
    """Columns that say something about the world."""
    return [name for name in contract.column_names if name not in RECORDED]


def refuse_older(table: str, newest: datetime | None, instant: datetime) -> None:
    """Raise CairnError where a version that would close is known from ``instant`` or later."""
    if newest is not None and newest >= instant:
        raise CairnError(
            f"{table} was already recorded at {newest.isoformat()}, not before this load's "
            f"{instant.isoformat()}: load later versions only"
        )
