"""The contract of a record checked again on the way into the lake: one verdict a record, column by column in Arrow.

Dates are derived here from instants, never taken from the sender, so that the receipt, the refusals and the events of
one request always fall on the same district-local day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cairn import topics
from cairn.evidence import clock
from cairn.evidence.clock import ClockRule
from cairn.evidence.meaning import HISTORY
from cairn.evidence.xapi import KIND, MAPPED
from spark_jobs.intake_parse import event_columns, value_fields

UNKNOWN = "unknown"
# Work before the first electronic record or in the next century is a broken clock, not work.
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_REQUIRED_OF_RECEIPT = ("receipt_id", "source_id", "received_at", "statements")
_REQUIRED_OF_REJECTED = ("rejected_id", "receipt_id", "source_id", "received_at", "reason", "payload_sha256")
_UNREADABLE = "unreadable: not JSON, or a field of another type than the contract's; send it again corrected"

Problem = tuple[Any, str]  # which records, and "reason: detail"


def check(parsed: pa.Table, rule: ClockRule) -> pa.Table:
    """The parsed records with ``problem``, local days (``received_date``, ``work_date``) and the scope in the books.

    ``problem`` is null where the record keeps its contract, else "reason: detail"; the detail names a field and never
    a value. ``scope_source`` and ``scope_org`` are 'unknown' where they cannot be read.
    """
    arrived = pc.coalesce(parsed.column("received_at"), parsed.column("kafka_timestamp"))
    received_date = local_date(arrived, rule.timezone)
    work_date = local_date(parsed.column("event_time"), rule.timezone)
    added = {
        "problem": _with_clocks(parsed, _problems(parsed), received_date, work_date, rule),
        "received_date": received_date,
        "work_date": work_date,
        "scope_source": _named(parsed.column("source_id")),
        "scope_org": _named(parsed.column("org_id")),
    }
    for name, values in added.items():
        parsed = parsed.append_column(name, values)
    return parsed


def local_date(instants: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    """The local day of each instant."""
    return pc.local_timestamp(instants.cast(pa.timestamp("us", timezone))).cast(pa.date32(), safe=False)


def _with_clocks(
    parsed: pa.Table,
    problem: pa.ChunkedArray,
    received_date: pa.ChunkedArray,
    work_date: pa.ChunkedArray,
    rule: ClockRule,
) -> pa.ChunkedArray:
    """The problems, with those of records that are sound but for the clock that dated the work."""
    latest = pc.add(parsed.column("received_at"), pa.scalar(rule.ahead, pa.duration("us")))
    year_start, former = (pa.scalar(day, pa.date32()) for day in (rule.school_year_start, rule.former_year_start))
    earliest = pc.if_else(pc.greater_equal(received_date, year_start), year_start, former)
    odd: list[Problem] = [
        (
            pc.greater(parsed.column("event_time"), latest),
            f"{clock.AHEAD}: event_time lies more than {rule.ahead_tolerance_seconds} s after received_at: "
            "set the clock right, then 'cairn intake quarantine release'",
        ),
        (
            pc.less(work_date, earliest),
            f"{clock.BEFORE_YEAR}: event_time lies before the school year: 'cairn intake quarantine release' if so",
        ),
    ]
    is_sound = pc.and_(pc.is_null(problem), pc.equal(parsed.column("kafka_topic"), topics.ACTIVITY))
    for which, text in odd:
        bad = pc.and_(is_sound, pc.fill_null(which, False))
        if pc.any(bad).as_py():
            bad = pc.and_(bad, pc.invert(_is_let_in(parsed, text.partition(":")[0])))
            problem = pc.if_else(bad, text, problem)
    return problem


def _is_let_in(parsed: pa.Table, reason: str) -> Any:
    """Which records may have the time that they have: released, history that says so, or of what was let in before."""
    extensions = parsed.column("extensions")
    let_in = [_extension_is(extensions, clock.RELEASED, name) for name in clock.WORK_TIMES]
    if reason == clock.BEFORE_YEAR:
        let_in += [_extension_is(extensions, HISTORY, "true"), _extension_is(extensions, KIND, MAPPED)]
    found = let_in[0]
    for one in let_in[1:]:
        found = pc.or_(found, one)
    return found


def _extension_is(extensions: pa.ChunkedArray, name: str, value: str) -> Any:
    return pc.fill_null(pc.equal(pc.map_lookup(extensions, pa.scalar(name), "first"), value), False)


def _named(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(_is_empty(values, is_text=True), UNKNOWN, values)


def _problems(parsed: pa.Table) -> pa.ChunkedArray:
    """The first problem of each record, in the order in which a sender would mend them."""
    topic = parsed.column("kafka_topic")
    rules: dict[str, Callable[[pa.Table], Iterator[Problem]]] = {
        topics.ACTIVITY: _of_activity,
        topics.RECEIPTS: lambda table: _missing(table, _REQUIRED_OF_RECEIPT),
        topics.REJECTED: lambda table: _missing(table, _REQUIRED_OF_REJECTED),
    }
    problem: Any = pa.chunked_array([pa.nulls(parsed.num_rows, pa.string())])
    for name, of_topic in rules.items():
        is_topic = pc.equal(topic, name)
        if not pc.any(is_topic).as_py():
            continue
        for which, text in reversed(list(of_topic(parsed))):
            bad = pc.and_(is_topic, pc.fill_null(which, False))
            if pc.any(bad).as_py():
                problem = pc.if_else(bad, text, problem)
    return pc.if_else(parsed.column("is_unreadable"), _UNREADABLE, problem)


def _is_empty(values: pa.ChunkedArray, *, is_text: bool) -> Any:
    return pc.or_kleene(pc.is_null(values), pc.equal(values, "")) if is_text else pc.is_null(values)


def _missing(table: pa.Table, names: tuple[str, ...]) -> Iterator[Problem]:
    kinds = value_fields()
    for name in names:
        yield _is_empty(table.column(name), is_text=kinds[name] == "string"), f"missing_field: {name} is empty"


def _of_activity(table: pa.Table) -> Iterator[Problem]:
    columns = event_columns()
    yield from _missing(table, tuple(c.name for c in columns if c.is_required))
    for c in columns:
        values = table.column(c.name)
        if c.allowed_values:
            known = pc.is_in(values, value_set=pa.array(c.allowed_values))
            allowed = ", ".join(c.allowed_values)
            yield (
                pc.and_(pc.is_valid(values), pc.invert(known)),
                f"value_not_allowed: {c.name} must be one of {allowed}",
            )
        if c.minimum is not None:
            yield pc.less(values, c.minimum), f"out_of_range: {c.name} must be at least {c.minimum}"
        if c.maximum is not None:
            yield pc.greater(values, c.maximum), f"out_of_range: {c.name} must be at most {c.maximum}"
    for name in ("event_time", "received_at"):
        instant = table.column(name)
        limits = [pa.scalar(limit, pa.timestamp("us", "UTC")) for limit in (EARLIEST, LATEST)]
        is_odd = pc.or_(pc.less(instant, limits[0]), pc.greater_equal(instant, limits[1]))
        yield is_odd, f"out_of_range: {name} must lie between {EARLIEST.date()} and {LATEST.date()}"
    key = table.column("record_key")
    wrong_key = pc.or_kleene(pc.is_null(key), pc.not_equal(key, table.column("subject_key")))
    yield wrong_key, "key_mismatch: the record's key must be its subject_key"
