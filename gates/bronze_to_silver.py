"""The gate between intake and mastery: the books, the contract of silver, refusals, silence, clocks, links."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.calendar import DistrictCalendar
from cairn.contracts import load_contract
from cairn.evidence.activity import UNKNOWN_SCHOOL
from cairn.evidence.clock import ClockRule
from cairn.settings import Settings
from gates import frames, suites
from gates.engine import Engine
from gates.frames import Frame
from gates.model import HOLDS_SCOPE, WARNING, Finding, Rule
from gates.night_rows import NightRows, night_rows
from gates.silence import SilenceRule, silent_sources
from gates.thresholds import thresholds
from spark_jobs.intake_ledger import ledger

SILVER = "silver.learner_activity"
BOOKS = "intake ledger"
# A bad row holds back its school; where it claims none, its source.
SCOPE = (
    "case when org_id is not null and org_id not in ('', 'unknown') then concat('school/', org_id) "
    "when source_id is not null then concat('source/', source_id) else 'all/*' end"
)
_RULE_COLUMNS = ("org_id", "source_id", "received_at", "received_date", "event_time", "subject_key", "work_date")


def check(engine: Engine, settings: Settings, data_date: date) -> list[Finding]:
    """Every rule of the gate on the night's rows."""
    contract = load_contract(SILVER)
    columns = suites.columns_rule(contract)
    present = lake.actual_columns(settings, SILVER)
    if not present:
        return [_nothing_yet()]
    has_columns = engine.verdicts(f"{SILVER} columns", [columns], pd.DataFrame(columns=present))[columns.rule_id]
    found = [Finding(columns.rule_id, SILVER, columns.severity, has_columns, columns.message)]
    if not has_columns:
        return found
    night = night_rows(settings, data_date)
    rules = suites.row_rules(contract)
    needed = [*suites.columns_needed(rules), *_RULE_COLUMNS]
    frame = frames.load(settings, SILVER, needed, "event_id", night.arrow_filter())
    found += engine.check(frame, rules, SCOPE)
    limits = thresholds(settings, "bronze_to_silver")
    found += _books(engine, settings, night, limits)
    found += _future(engine, settings, frame, limits["future_share"])
    found += _unlinked(engine, settings, frame, limits["unlinked_share"])
    found += _silence(engine, settings, data_date, SilenceRule.of(limits["silence"]))
    return found


def _nothing_yet() -> Finding:
    return Finding(f"{SILVER}.columns", SILVER, WARNING, False, "no event has reached silver yet", rows_failed=None)


def _books(engine: Engine, settings: Settings, night: NightRows, limits: dict[str, Any]) -> list[Finding]:
    """Nothing unexplained per source and school, and not too much refused per source."""
    rows = _books_at_rest(settings, night, limits["torn_looks"])
    balance = Rule(
        "ledger.unexplained",
        "ExpectColumnValuesToBeBetween",
        {"column": "unexplained", "min_value": 0, "max_value": 0},
        HOLDS_SCOPE,
        "received statements that are nowhere (above 0) or records without a receipt (below 0): "
        "see 'cairn intake ledger', then 'cairn logs intake'",
    )
    found = engine.check_scopes(BOOKS, balance, _by_scope(rows), "received")
    limit = limits["refused_share"]
    refused = Rule(
        "ledger.refused_share",
        "ExpectColumnValuesToBeBetween",
        {"column": "refused_share", "min_value": 0.0, "max_value": float(limit["most"])},
        HOLDS_SCOPE,
        f"more than {float(limit['most']):.0%} refused or set aside: see 'cairn intake rejected list', tell the sender",
    )
    return found + engine.check_scopes(
        BOOKS, refused, _refused_by_source(rows, int(limit["least_received"])), "received"
    )


def _books_at_rest(settings: Settings, night: NightRows, looks: dict[str, Any]) -> list[dict[str, Any]]:
    """The books of the receipt dates that the night touched, looked at again where a transaction seems half read."""
    dates = _receipt_dates(settings, night)
    rows = ledger(settings, dates=dates)
    for _ in range(int(looks["times"]) - 1):
        if all(row["unexplained"] == 0 for row in rows):
            break
        time.sleep(float(looks["seconds"]))
        rows = ledger(settings, dates=dates)
    return rows


def _receipt_dates(settings: Settings, night: NightRows) -> list[date]:
    batches = NightRows(night.spans, None).arrow_filter()
    dates: set[date] = set()
    for name in ("bronze.receipts", "ops.intake_ledger"):
        dates |= set(pc.unique(lake.read(settings, name, ["received_date"], batches)["received_date"]).to_pylist())
    return sorted(dates)


def _by_scope(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a school, or a source where no school was claimed; what does not balance is not netted out."""
    scopes: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        is_school = row["org_id"] != UNKNOWN_SCHOOL
        key = ("school", row["org_id"]) if is_school else ("source", row["source_id"])
        scope = scopes.setdefault(
            key, {"scope_type": key[0], "scope_id": key[1], "received": 0, "unexplained": 0, "rows_failed": 0}
        )
        scope["received"] += row["received"]
        scope["rows_failed"] += abs(row["unexplained"])
        if abs(row["unexplained"]) > abs(scope["unexplained"]):
            scope["unexplained"] = row["unexplained"]
    return list(scopes.values())


def _refused_by_source(rows: Sequence[dict[str, Any]], least: int) -> list[dict[str, Any]]:
    sources: dict[str, dict[str, Any]] = {}
    for row in rows:
        scope = {"scope_type": "source", "scope_id": row["source_id"], "received": 0, "rows_failed": 0}
        scope = sources.setdefault(row["source_id"], scope)
        scope["received"] += row["received"]
        scope["rows_failed"] += row["rejected"] + row["conflict"] + row["quarantined"]
    enough = [scope for scope in sources.values() if scope["received"] >= least]
    return [scope | {"refused_share": scope["rows_failed"] / scope["received"]} for scope in enough]


_SHARES = """
select '{kind}' as scope_type, coalesce({column}, 'unknown') as scope_id, count(*) as events,
    count(*) filter ({bad}) as rows_failed, count(*) filter ({bad}) / count(*) as share,
    list_sort(list_distinct(min(event_id, 20) filter ({bad}))) as sample_event_ids
from rows {join} group by all order by all
"""
_SHARE_COLUMNS = ("scope_type", "scope_id", "events", "rows_failed", "share", "sample_event_ids")
_LINKED = "left join (select distinct subject_key, true as is_linked from links) using (subject_key)"


def _shares(frame: Frame, kind: str, column: str, bad: str, links: pa.Table | None = None) -> list[dict[str, Any]]:
    """Per scope: how many of the night's events are bad in the sense of the SQL condition, and some ids."""
    join, tables = ("", {}) if links is None else (_LINKED, {"links": links})
    found = frame.ask(_SHARES.format(kind=kind, column=column, bad=bad, join=join), **tables)
    return [dict(zip(_SHARE_COLUMNS, row, strict=True)) for row in found]


def _share_rule(rule_id: str, most: float, message: str) -> Rule:
    arguments = {"column": "share", "min_value": 0.0, "max_value": most}
    return Rule(rule_id, "ExpectColumnValuesToBeBetween", arguments, WARNING, message)


def _future(engine: Engine, settings: Settings, frame: Frame, limit: dict[str, Any]) -> list[Finding]:
    """Work dated ahead all the same: intake sets it aside, so it was released so, or came before the rule."""
    seconds = ClockRule.load(settings).ahead_tolerance_seconds
    rows = _shares(frame, "source", "source_id", f"event_time > received_at + interval {seconds} second")
    message = "work dated after it was received: the sender's clock is wrong; it counts in the night of its own date"
    return engine.check_scopes(SILVER, _share_rule("event_time.future", float(limit["most"]), message), rows, "events")


def _unlinked(engine: Engine, settings: Settings, frame: Frame, limit: dict[str, Any]) -> list[Finding]:
    links = lake.read(settings, "silver.identity_link", ["subject_key"])
    rows = _shares(frame, "school", "org_id", "is_linked is null", links)
    message = "events of subjects without a link to a pupil: they wait; load the roster, or link with 'cairn students'"
    return engine.check_scopes(SILVER, _share_rule("subject.unlinked", float(limit["most"]), message), rows, "events")


def _silence(engine: Engine, settings: Settings, data_date: date, silence: SilenceRule) -> list[Finding]:
    since = pc.field("work_date") >= silence.starts(data_date)
    recent = frames.load(settings, SILVER, ["source_id", "work_date"], "source_id", since)
    days: dict[str, set[date]] = {}
    for source, day in recent.ask("select distinct source_id, work_date from rows"):
        days.setdefault(source, set()).add(day)
    silent = silent_sources(days, DistrictCalendar.load(settings), data_date, silence)
    rows = [
        {"scope_type": "source", "scope_id": source, "is_silent": int(source in silent), "days": len(days[source])}
        for source in sorted(days)
    ]
    arguments = {"column": "is_silent", "min_value": 0, "max_value": 0}
    message = "the source worked and then fell silent on school days: ask its vendor, see 'cairn intake watch'"
    rule = Rule("source.silent", "ExpectColumnValuesToBeBetween", arguments, WARNING, message)
    return engine.check_scopes(SILVER, rule, rows, "days")
