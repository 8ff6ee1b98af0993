"""Two-time tables: apply what arrived to what is known, so that nothing known before is lost.

A row is true in the world by its ``valid_*`` columns, and known here from ``recorded_from`` until ``recorded_to``
(empty while current). Applying a snapshot closes the versions that changed or ended and appends new ones, in one
commit; rows that say the same change nothing, so that the same file twice is one file.

Only versions that are known now are read and compared (by DuckDB, over Arrow): years of past ones lie in files of
their own, which a load neither reads nor writes again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.contracts import Contract, load_contract
from cairn.errors import BusyError
from cairn.settings import Settings
from lake import sql
from loading.snapshot import Change, Snapshot, keys_of, payload_of, refuse_older

# The version of each key that is known now.
CURRENT = pc.field("recorded_to").is_null()
WAIT_SECONDS = 600.0
# One line a key that is not as it was: its place in what arrived, its place in what is known, either may be null.
_COMPARED = """
select arrived.place, known.spot
from arrived full join known on {same_key}
where case
    when known.spot is null then true
    when arrived.place is not null then {differs}
    else {ends}
end
order by arrived.place, known.spot
"""
_LAST_OF_A_KEY = "select * from incoming qualify row_number() over (partition by {keys} order by place desc) = 1"


@dataclass(frozen=True)
class _Compared:
    """Rows that came for keys not known before; rows that came changed, and what they were; rows that ended."""

    added: pa.Table
    changed: pa.Table
    before: pa.Table
    ended: pa.Table


def apply_all(
    settings: Settings, snapshots: Iterable[Snapshot], recorded_at: datetime | None = None
) -> dict[str, Change]:
    """Apply several tables' snapshots, all recorded at one instant; table -> what changed."""
    instant = recorded_at or datetime.now(UTC)
    return {snapshot.table: apply(settings, snapshot, instant) for snapshot in snapshots}


def apply(settings: Settings, snapshot: Snapshot, recorded_at: datetime | None = None) -> Change:
    """Apply one snapshot; ``recorded_at`` (UTC) is when it became known, now where None.

    Raises CairnError where the table already knows something of a key from that instant or later (history is not
    rewritten), BusyError where another load of the table does not end; pyarrow.ArrowInvalid where a value does not fit
    the contract.
    """
    instant = recorded_at or datetime.now(UTC)
    if not (len(snapshot.rows) or snapshot.ended_ids or snapshot.is_bulk):
        return Change()
    # Two loads at once would each add what the other adds.
    with lake.lease(settings, f"load-{snapshot.table}", wait_seconds=WAIT_SECONDS) as is_ours:
        if not is_ours:
            raise BusyError(f"{snapshot.table} is being loaded by another process: load again when that has ended")
        return _apply(settings, snapshot, instant)


def _apply(settings: Settings, snapshot: Snapshot, instant: datetime) -> Change:
    contract = load_contract(snapshot.table)
    known = lake.read(settings, contract.name, filters=CURRENT)
    compared = _compare(settings, contract, snapshot, known)
    closing = pa.concat_tables([compared.before, compared.ended])
    refuse_older(contract.name, pc.max(closing["recorded_from"]).as_py(), instant)
    opening = pa.concat_tables([compared.added, compared.changed, _living_on(snapshot, compared.ended)])
    if closing.num_rows or opening.num_rows:
        lake.replace_rows(
            settings,
            contract.name,
            # Two tables are two files: what is past from now on is not written again.
            [_with(closing, "recorded_to", instant), _with(opening, "recorded_from", instant)],
            (*keys_of(contract), "recorded_from"),
            among=CURRENT,
        )
    return Change(compared.added.num_rows, compared.changed.num_rows, compared.ended.num_rows)


def _compare(settings: Settings, contract: Contract, snapshot: Snapshot, known: pa.Table) -> _Compared:
    """What came against what is known; of a key that came twice the last row counts."""
    incoming = _incoming(contract, snapshot)
    keys = keys_of(contract)
    with sql.bounded(settings) as connection:
        connection.register("incoming", _numbered(incoming, "place"))
        connection.register("known", _numbered(known, "spot"))
        connection.register("named", pa.table({"id": pa.array(list(snapshot.ended_ids), pa.string())}))
        connection.register("kept", pa.table({"id": pa.array(list(snapshot.kept_ids), pa.string())}))
        connection.execute(f"create temp view arrived as {_LAST_OF_A_KEY.format(keys=_columns(keys))}")
        ends, values = _ends(snapshot, keys[0])
        query = _COMPARED.format(
            same_key=" and ".join(f'arrived."{key}" is not distinct from known."{key}"' for key in keys),
            differs=" or ".join(
                f'arrived."{name}" is distinct from known."{name}"' for name in payload_of(contract) if name not in keys
            )
            or "false",
            ends=ends,
        )
        pairs = connection.sql(query, params=values).to_arrow_table()
    is_new, is_over = pc.is_null(pairs["spot"]), pc.is_null(pairs["place"])
    is_changed = pc.and_(pc.invert(is_new), pc.invert(is_over))
    return _Compared(
        added=incoming.take(pairs.filter(is_new)["place"]),
        changed=incoming.take(pairs.filter(is_changed)["place"]),
        before=known.take(pairs.filter(is_changed)["spot"]),
        ended=known.take(pairs.filter(is_over)["spot"]),
    )


def _incoming(contract: Contract, snapshot: Snapshot) -> pa.Table:
    """What arrived in the contract's types, recorded times empty."""
    rows = snapshot.rows
    if isinstance(rows, pa.Table):
        return lake.conform(rows, contract.name)
    return pa.Table.from_pylist([dict(row) for row in rows], schema=lake.file_schema(contract.name))


def _ends(snapshot: Snapshot, key: str) -> tuple[str, dict[str, object]]:
    """The condition under which a known row that did not come has ended, with the values it asks for."""
    values: dict[str, object] = {}
    is_named = f'known."{key}" in (select id from named)'
    ends = is_named
    if snapshot.is_bulk:
        scope = ""
        for place, (column, value) in enumerate(snapshot.scope.items()):
            values[f"scope_{place}"] = value
            scope += f' and known."{column}" = $scope_{place}'
        ends = f'({is_named} or (known."{key}" not in (select id from kept){scope}))'
    if snapshot.ends_on is not None:
        values["ends_on"] = snapshot.ends_on
        ends += " and coalesce(known.valid_to_date > $ends_on, true)"
    return ends, values


def _living_on(snapshot: Snapshot, ended: pa.Table) -> pa.Table:
    """Ended rows that were true on some day, in the version that says until when; none where days do not count."""
    if snapshot.ends_on is None:
        return ended.slice(0, 0)
    has_begun = pc.coalesce(pc.less_equal(ended["valid_from_date"], pa.scalar(snapshot.ends_on)), pa.scalar(True))
    return _with(ended.filter(has_begun), "valid_to_date", snapshot.ends_on)


def _with(table: pa.Table, column: str, value: object) -> pa.Table:
    """The table with one value in all rows of a column."""
    place = table.schema.get_field_index(column)
    kind = table.schema.field(column)
    return table.set_column(place, kind, pa.repeat(pa.scalar(value, kind.type), table.num_rows))


def _numbered(table: pa.Table, column: str) -> pa.Table:
    """The table with each row's place in it, from 0."""
    return table.append_column(column, pa.array(np.arange(table.num_rows)))


def _columns(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
