"""A person taken out of the lake: every table whose contract says that it holds one, files and log alike.

What holds a person is read from the contracts (``holds``), so that a new table is covered by saying so. Rows go; of a
log of who saw whom only the name's key goes. How many records of each batch went is written to ``ops.erasure``, which
the books count beside what is there.

Mastery knows its tables by version, and the versions are no more: a night of kind "erasure" names those that are there
now. Where nothing had come since the last night the next one goes on from there; else it resolves all evidence again.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.contracts import Column, Contract, all_contracts, load_contract
from cairn.errors import CairnError
from cairn.settings import Settings
from spark_jobs import key_index, night_record, upkeep
from spark_jobs.mastery_layout import LAYOUT

TABLE = "ops.erasure"
BRONZE = "bronze.activity"
SILVER, QUARANTINE = "silver.learner_activity", "silver.activity_quarantine"
LAYOUTS = {**LAYOUT, key_index.TABLE: key_index.LAYOUT}
# Lease of mastery's nights (spark_jobs.mastery, which needs Spark to be imported).
MASTERY_LEASE = "mastery"
WAIT_SECONDS = 120.0
# Columns that say when the platform wrote a row, not when something was so.
RECORDING = frozenset(("recorded_from", "recorded_to", "written_at", "loaded_at", "valid_to"))
# The value of a field within the text of a record.
_FIELD = r'"{name}"\s*:\s*"(?P<value>[^"]*)"'
Mask = Any


@dataclass(frozen=True)
class Subject:
    """Who goes: keys of the person, of the identifiers that never meant anybody else, and of the person's events.

    ``is_mixed``: some of the events came under identifiers that meant somebody else at other times, so that events are
    looked for one by one everywhere.
    """

    student_keys: frozenset[str]
    subject_keys: frozenset[str]
    event_ids: frozenset[str] = field(default_factory=frozenset)
    is_mixed: bool = False

    @property
    def words(self) -> list[str]:
        """Texts that may be nowhere afterwards."""
        return sorted(self.student_keys | self.subject_keys)

    def keys(self, holds: str) -> frozenset[str]:
        """Those of the kind that a column holds, by its contract: "student_key", "subject_key" or "event_id", or of a
        list of them "student_keys" or "event_ids"."""
        kinds = {"student_key": self.student_keys, "subject_key": self.subject_keys, "event_id": self.event_ids}
        return kinds[holds.removesuffix("s")]


def person_tables() -> list[Contract]:
    """Tables that hold people, by their contracts; last the one that tells which events are whose."""
    found = [contract for contract in all_contracts() if contract.person_columns]
    return sorted(found, key=lambda contract: contract.name == SILVER)


Period = tuple[str, datetime, datetime]


def subject(
    settings: Settings, student_keys: Collection[str], subject_keys: Collection[str], periods: Collection[Period]
) -> Subject:
    """Who goes, with the events: ``periods`` are those in which an identifier that meant others too meant the person.

    A period is (subject key, from, to), its end never within.
    """
    events = _event_ids(settings, pc.field("subject_key").isin(pa.array(sorted(subject_keys), pa.string())))
    of_periods = _ids_of_periods(settings, periods) | _quarantined_ids(settings, periods)
    every = frozenset(events | of_periods)
    return Subject(frozenset(student_keys), frozenset(subject_keys), every, is_mixed=bool(of_periods))


def _ids_of_periods(settings: Settings, periods: Collection[Period]) -> set[str]:
    key, at = pc.field("subject_key"), pc.field("event_time")
    within = [(key == subject) & (at >= begins) & (at < ends) for subject, begins, ends in periods]
    return _event_ids(settings, functools.reduce(operator.or_, within)) if within else set()


def _quarantined_ids(settings: Settings, periods: Collection[Period]) -> set[str]:
    """Events of the periods among the records set aside, but for ids under which silver holds another's event.

    A record whose time cannot be read is nobody's in particular, and stays.
    """
    if not periods:
        return set()
    texts = lake.read(settings, QUARANTINE, ["record_value"], None, lake.EVERY)["record_value"]
    keys = pa.array({key for key, _, _ in periods}, pa.string())
    texts = texts.filter(pc.fill_null(pc.is_in(_field(texts, "subject_key"), value_set=keys), False))
    fields = zip(*(_field(texts, name).to_pylist() for name in ("event_id", "subject_key", "event_time")), strict=True)
    found = {event for event, subject, at in fields if event and _is_within(subject, at, periods)}
    return found - _event_ids(settings, pc.field("event_id").isin(pa.array(sorted(found), pa.string())))


def _is_within(subject: str, event_time: str | None, periods: Collection[Period]) -> bool:
    try:
        at = datetime.fromisoformat(event_time or "")
    except ValueError:
        return False
    if at.tzinfo is None:
        return False
    return any(key == subject and begins <= at < ends for key, begins, ends in periods)


def _event_ids(settings: Settings, wanted: Any) -> set[str]:
    return set(lake.read(settings, SILVER, ["event_id"], wanted, lake.EVERY)["event_id"].to_pylist())


def has_come_back(settings: Settings, who: Subject) -> bool:
    """Whether the lake holds records of the person: intake took them in after the erasure, or a backup had them."""
    wanted = pc.field("record_key").isin(pa.array(sorted(who.subject_keys), pa.string()))
    return bool(who.event_ids) or lake.read(settings, BRONZE, ["record_key"], wanted, lake.EVERY).num_rows > 0


def erase(
    settings: Settings, who: Subject, erasure_id: str, erased_at: datetime, pass_number: int = 0
) -> dict[str, int]:
    """Take the person out of every table; rows that went (or were changed) by table.

    Done again it does what is left to do; ``pass_number``, from 0, tells a new pass, whose rows the books get too, from
    one that is tried again. Raises CairnError where a night, a load or an upkeep does not end.
    """
    with (
        lake.lease(settings, MASTERY_LEASE, wait_seconds=WAIT_SECONDS) as is_night_ours,
        upkeep.tending(settings, WAIT_SECONDS) as is_upkeep_ours,
    ):
        if not (is_night_ours and is_upkeep_ours):
            raise CairnError("a night or the upkeep of the lake is at work: erase again when it has ended")
        last = night_record.newest(settings)
        if last is not None:  # before the first night on record, gold may wait for its migration
            night_record.roll_back(settings, last)
        before = _versions(settings)
        _write_books(settings, who, erasure_id, erased_at, pass_number)
        counts = _evidence_counts(settings, who)
        removed = {contract.name: _erase_from(settings, contract, who) for contract in person_tables()}
        if last is not None:
            standing = {name: count - counts.get(name, 0) for name, count in last.evidence_counts.items()}
            standing = {name: count for name, count in standing.items() if count > 0}
            _record_night(settings, replace(last, evidence_counts=standing), before)
        for contract in person_tables():
            lake.expunge(settings, contract.name, who.words)
    return {name: rows for name, rows in removed.items() if rows}


@dataclass(frozen=True)
class Held:
    """What a table holds of a person: rows, the sources that sent them, and the days from and to which they are."""

    table: str
    rows: int
    sources: list[str]
    first_date: date | None
    last_date: date | None


def held_by(settings: Settings, who: Subject) -> list[Held]:
    """What the lake's tables hold of a person now, table by table; changes nothing.

    Days are those of a table's first column of time that is no time of recording, where it has one.
    """
    found = (_held_in(settings, contract, who) for contract in person_tables() if lake.exists(settings, contract.name))
    return sorted((one for one in found if one.rows), key=lambda one: one.table)


def _held_in(settings: Settings, contract: Contract, who: Subject) -> Held:
    persons = [column.name for column in contract.person_columns]
    times = [column.name for column in contract.columns if column.type in ("date", "timestamp")]
    day = next((name for name in times if name not in RECORDING), None)
    source = "source_id" if any(column.name == "source_id" for column in contract.columns) else None
    columns = [*persons, *(name for name in (day, source) if name is not None)]
    rows = lake.read(settings, contract.name, columns, _among(contract, who), lake.EVERY)
    lists = [column for column in contract.person_columns if _is_list(column)]
    is_hers = functools.reduce(pc.or_, (_has(rows[one.name], one, who) for one in lists), _is_gone(rows, contract, who))
    hers = rows.filter(is_hers)
    days = [_day(value, settings) for value in hers[day].to_pylist() if value is not None] if day else []
    sources = sorted(set(hers[source].drop_null().to_pylist())) if source else []
    return Held(contract.name, hers.num_rows, sources, min(days, default=None), max(days, default=None))


def _has(values: pa.ChunkedArray, column: Column, who: Subject) -> Mask:
    """Which lists have the person among their keys."""
    wanted = who.keys(column.holds)
    return pa.array([not wanted.isdisjoint(one or ()) for one in values.to_pylist()], pa.bool_())


def _day(value: date | datetime, settings: Settings) -> date:
    return value.astimezone(settings.zone).date() if isinstance(value, datetime) else value


def is_done(settings: Settings, erasure_id: str) -> bool:
    """Whether this lake has gone through the erasure: one that was restored from an older backup has not."""
    return bool(lake.read(settings, TABLE, ["fate"], pc.field("erasure_id") == erasure_id).num_rows)


def _erase_from(settings: Settings, contract: Contract, who: Subject) -> int:
    """Rows of a table that went or were changed."""
    touched = 0

    def changed(rows: pa.Table) -> pa.Table | None:
        nonlocal touched
        is_gone, result = _is_gone(rows, contract, who), rows
        for column in contract.person_columns:
            if _is_list(column):
                result, edited = _without(result, column, who)
                touched += edited
        touched += int(pc.sum(is_gone).as_py() or 0)
        kept = result.filter(pc.invert(is_gone))
        return None if kept.num_rows == rows.num_rows and result is rows else kept

    with lake.lease(settings, f"load-{contract.name}", wait_seconds=WAIT_SECONDS) as is_ours:
        if not is_ours:
            raise CairnError(f"{contract.name} is being loaded: erase again when that has ended")
        layout = LAYOUTS.get(contract.name, lake.Layout())
        lake.change_rows(settings, contract.name, changed, _among(contract, who), layout)
    return touched


def _among(contract: Contract, who: Subject) -> Any:
    """A condition that every row concerned meets, by which files can be passed by; None where there is none."""
    holds = {column.holds for column in contract.person_columns}
    has_text = "payload" in holds
    if holds & {"student_keys", "event_ids"} or (has_text and (who.is_mixed or "subject_key" not in holds)):
        return None
    found = pc.scalar(False)
    for column in contract.person_columns:
        if column.holds == "payload":
            continue
        found = found | pc.field(column.name).isin(pa.array(sorted(who.keys(column.holds)), pa.string()))
        if has_text:  # a record without a key tells whose it is in its text alone
            found = found | pc.field(column.name).is_null()
    return found


def _is_gone(rows: pa.Table, contract: Contract, who: Subject) -> Mask:
    """Which rows are the person's; one that has her in a list of keys is not, and loses the key alone."""
    columns = [column for column in contract.person_columns if not _is_list(column)]
    nobody = pa.array([False] * rows.num_rows, pa.bool_())
    return functools.reduce(pc.or_, (_is_of(rows[column.name], column, who) for column in columns), nobody)


def _is_list(column: Column) -> bool:
    return column.holds.endswith("s")


def _is_of(values: pa.ChunkedArray, column: Column, who: Subject) -> Mask:
    if column.holds == "payload":
        return pc.or_(
            _is_in(_field(values, "subject_key"), who.subject_keys), _is_in(_field(values, "event_id"), who.event_ids)
        )
    return _is_in(values, who.keys(column.holds))


def _field(values: pa.ChunkedArray, name: str) -> Any:
    return pc.struct_field(pc.extract_regex(values, _FIELD.format(name=name)), "value")


def _is_in(values: Any, wanted: Collection[str]) -> Mask:
    found = pc.is_in(values, value_set=pa.array(sorted(wanted), pa.string()))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _without(rows: pa.Table, column: Column, who: Subject) -> tuple[pa.Table, int]:
    """The rows without the person in a list of keys, and how many had her; the rows themselves where none had."""
    wanted = who.keys(column.holds)
    lists = rows[column.name].to_pylist()
    edited = [
        one if one is None or not wanted & set(one) else [key for key in one if key not in wanted] for one in lists
    ]
    count = sum(old is not new for old, new in zip(lists, edited, strict=True))
    if not count:
        return rows, 0
    place = rows.schema.get_field_index(column.name)
    kind = rows.schema.field(column.name)
    return rows.set_column(place, kind, pa.array(edited, kind.type)), count


def _write_books(settings: Settings, who: Subject, erasure_id: str, erased_at: datetime, pass_number: int) -> None:
    """Count what is about to go, by batch and fate; once a pass, however often it is tried."""
    keys = ["intake_app_id", "batch_id", "received_date", "source_id", "org_id", "fate"]
    one = {"erasure_id": erasure_id, "erased_at": erased_at}
    marker = {"intake_app_id": "", "batch_id": 0, "received_date": erased_at.date(), "source_id": "unknown"}
    rows = [{**marker, "org_id": "unknown", "fate": "none", "records": 0, **one}]
    if is_done(settings, erasure_id):
        rows = []
    for name, fixed in ((SILVER, "accepted"), (QUARANTINE, None)):
        contract = load_contract(name)
        columns = [column.name for column in contract.person_columns]
        wanted = [*columns, *(key for key in keys if key != "fate" or not fixed)]
        found = lake.read(settings, name, wanted, _among(contract, who), lake.EVERY)
        gone = found.filter(_is_gone(found, contract, who))
        if fixed:
            gone = gone.append_column("fate", pa.repeat(fixed, gone.num_rows))
        for row in gone.select(keys).group_by(keys).aggregate([([], "count_all")]).to_pylist():
            records = row.pop("count_all")
            rows.append({**row, "org_id": row["org_id"] or "unknown", "records": records, **one})
    lake.append_rows(settings, TABLE, rows, (f"erasure-{erasure_id}", pass_number))


def _evidence_counts(settings: Settings, who: Subject) -> dict[str, int]:
    """Rows of evidence that stand and are about to go, by competency."""
    wanted = pc.field("student_key").isin(pa.array(sorted(who.student_keys), pa.string()))
    rows = lake.read(settings, night_record.EVIDENCE, ["competency_id", "is_removed"], wanted, lake.EVERY)
    counts: dict[str, int] = {}
    for row in rows.to_pylist():
        counts[row["competency_id"]] = counts.get(row["competency_id"], 0) + (-1 if row["is_removed"] else 1)
    return counts


def _versions(settings: Settings) -> dict[str, int]:
    names = (*night_record.WRITTEN, *night_record.READ)
    return {name: lake.current_version(settings, name) for name in names if lake.exists(settings, name)}


def _record_night(settings: Settings, last: night_record.NightRecord, before: dict[str, int]) -> None:
    """Put a night on record that names the tables as they are now."""
    now = _versions(settings)
    if now == before:
        return
    has_news = any(before.get(name) != last.versions.get(name) for name in night_record.READ)
    versions = {**last.versions, **now}
    if has_news and lake.table_files(settings, SILVER):
        # What came since the last night is not resolved yet. From the older version, whose files are gone, the log
        # tells that rows went, and the next night resolves everything.
        versions[SILVER] = last.versions[SILVER]
        if now[SILVER] == before[SILVER]:
            _rewrite_one_file(settings)
    kept = replace(last, night=last.night + 1, kind="erasure", versions=versions, pairs=0, attempts=0, decisions=0)
    night_record.record(settings, kept)


def _rewrite_one_file(settings: Settings) -> None:
    """Write silver's smallest file anew, so that its log says what the next night must hear."""
    smallest = min(lake.table_files(settings, SILVER), key=lambda file: file.size)
    rows = lake.dataset_of(settings, SILVER, [smallest]).to_table()
    values: dict[str, Any] = {column: rows[column][0].as_py() for column in load_contract(SILVER).partitions}
    base = lake.current_version(settings, SILVER)
    written = lake.write_file(settings, SILVER, rows, values)
    lake.commit_files(settings, SILVER, [written], removed=[smallest], base=base)
