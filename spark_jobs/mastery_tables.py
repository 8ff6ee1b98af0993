"""Writing the night's gold tables so that a night run again gives the same tables.

Append-only tables hold, for a night, the difference to all nights before it; running a night again replaces exactly
what it wrote for the touched pairs, in one commit. Derived tables replace the touched pairs. All of it concerns
the touched pairs only, so it is done in Arrow and committed from Rust: a Spark commit costs seconds of reading the
table's log on a small machine, this a few hundredths.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import lake
from cairn.mastery import ledger
from cairn.settings import Settings
from lake import table_uri

STATE = "gold.mastery_state"
READY = "gold.ready_to_learn"


def nights(settings: Settings, name: str) -> tuple[date, date] | None:
    """First and last data_date of a table, from the statistics in Delta's log; None where it has no rows."""
    import pyarrow as pa
    from deltalake import DeltaTable

    lake.create(settings, name)
    files = pa.table(DeltaTable(table_uri(settings, name)).get_add_actions(flatten=True))
    rows = [row for row in files.to_pylist() if row["num_records"] != 0]
    if rows and all(isinstance(row.get("min.data_date"), date) for row in rows):
        return min(row["min.data_date"] for row in rows), max(row["max.data_date"] for row in rows)
    dates = dataset(settings, name).to_table(columns=["data_date"])["data_date"].to_pylist()
    return (min(dates), max(dates)) if dates else None


def newest_night(settings: Settings) -> date | None:
    """The newest night that changed a state; None before the first."""
    span = nights(settings, STATE)
    return span[1] if span else None


def dataset(settings: Settings, name: str) -> Any:
    """The table as an Arrow dataset; empty where it was not there yet."""
    lake.create(settings, name)
    return lake.dataset(settings, name)


def _of_pairs(settings: Settings, name: str, pairs: Any, condition: Any = None) -> Any:
    """The table's rows of the pairs, in the contract's columns; ``condition`` is a pyarrow expression."""
    import pyarrow.compute as pc

    is_theirs = pc.field("student_key").isin(pc.unique(pairs["student_key"]))
    rows = dataset(settings, name).to_table(filter=is_theirs if condition is None else is_theirs & condition)
    rows = lake.conform(rows, name)
    return rows.filter(ledger.is_among(rows, pairs))


def _write(settings: Settings, name: str, rows: Any, **options: Any) -> None:
    from deltalake import WriterProperties, write_deltalake

    lake.create(settings, name)
    write_deltalake(
        table_uri(settings, name),
        lake.conform(rows, name),
        writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
        **options,
    )


def replace_pairs(settings: Settings, name: str, rows: Any, pairs: Any) -> None:
    """Put the rows in place of all rows of the pairs, in one commit.

    Rewrites the table, a second for a million rows. Not Delta's MERGE: files that deltalake's MERGE writes carry
    statistics that Arrow readers cannot compare with text (string_view), and the warehouse reads through one. A table
    of tens of millions of rows wants to be partitioned by pupil here.
    """
    import pyarrow as pa

    rows = lake.conform(rows, name)
    if nights(settings, name) is None:
        if rows.num_rows:
            _write(settings, name, rows, mode="append")
        return
    standing = lake.conform(dataset(settings, name).to_table(), name)
    _write(settings, name, pa.concat_tables([ledger.without(standing, pairs), rows]), mode="overwrite")


def _replace_night(settings: Settings, name: str, data_date: date, rows: Any, pairs: Any) -> int:
    """Put the rows in place of what this night wrote for the pairs before, in one commit; returns how many."""
    import pyarrow as pa
    import pyarrow.compute as pc

    span = nights(settings, name)
    if span is None or span[1] < data_date:
        if rows.num_rows:
            _write(settings, name, rows, mode="append")
        return int(rows.num_rows)
    tonight = dataset(settings, name).to_table(filter=pc.field("data_date") == data_date)
    kept = ledger.without(lake.conform(tonight, name), pairs)
    whole = pa.concat_tables([kept, lake.conform(rows, name)])
    _write(settings, name, whole, mode="overwrite", predicate=f"data_date = '{data_date.isoformat()}'")
    return int(rows.num_rows)


def write(settings: Settings, data_date: date, computed: dict[str, Any], pairs: Any) -> int:
    """Write what was computed for the touched pairs; returns rows added to the ledger.

    ``computed`` as ``cairn.mastery.states.restate`` gives it; ``pairs``: student_key, competency_id, evidence_hash of
    all touched pairs, also those of which nothing is left. The state goes last: where a night dies before it, its pairs
    still differ from their fingerprint and are restated when it runs again.
    """
    import pyarrow.compute as pc

    before, tonight = pc.field("data_date") < data_date, pc.field("data_date") == data_date
    replace_pairs(settings, "gold.attempt_day", computed["attempt_day"], pairs)
    name = "gold.mastery_segment"
    earlier = _of_pairs(settings, name, pairs, before)
    segments = lake.conform(computed["mastery_segment"], name)
    _replace_night(settings, name, data_date, ledger.segment_changes(segments, earlier, data_date), pairs)
    name = "gold.mastery_decision"
    decisions = lake.conform(computed["mastery_decision"], name).drop_columns(["recorded_at"])
    rows = ledger.decision_changes(
        decisions,
        _of_pairs(settings, name, pairs, before),
        _of_pairs(settings, name, pairs, tonight),
        data_date,
        datetime.now(UTC),
    )
    changed = _replace_night(settings, name, data_date, rows, pairs)
    replace_pairs(settings, STATE, _with_fingerprints(computed["mastery_state"], pairs), pairs)
    return changed


def _with_fingerprints(states: Any, pairs: Any) -> Any:
    """The states with the fingerprint of the evidence they were computed from."""

    place = ledger.places(states, pairs)
    return states.append_column("evidence_hash", pairs["evidence_hash"].take(place))


def write_ready(settings: Settings, data_date: date) -> None:
    """The outer fringe of every pupil, from the states and edges as they are now."""
    import pyarrow as pa
    import pyarrow.compute as pc

    states = dataset(settings, STATE).to_table(columns=["student_key", "competency_id", "state", "state_since_at"])
    holds = pc.field("recorded_to").is_null() & (pc.field("edge_type") == "precedes")
    edges = dataset(settings, "silver.competency_edge").to_table(filter=holds)
    rows = ledger.ready_to_learn(states, edges, data_date)
    table = pa.Table.from_pylist(rows, lake.file_schema(READY))
    _write(settings, READY, table, mode="overwrite")
