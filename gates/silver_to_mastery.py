"""The gate between mastery and the marts: states and decisions keep their contracts and fit their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.contracts import load_contract
from cairn.mastery.config import load_config
from cairn.mastery.policy_versions import EvidenceMinimum
from cairn.settings import Settings
from gates import frames, suites
from gates.engine import Engine
from gates.evidence_audit import audit
from gates.frames import Frame
from gates.model import HOLDS_SCOPE, STRUCTURAL, Finding, Rule
from spark_jobs import night_record, policies
from spark_jobs.night_record import DECISION, STATE

# The least that any policy can ask.
SOME = EvidenceMinimum(1, 1, 1)
SCOPE = "case when school_id is not null then concat('school/', school_id) else 'all/*' end"


def _never(rule_id: str, message: str, bad_rows: str) -> tuple[Rule, str]:
    """A rule on a 0/1 column that is 1 for rows of which ``bad_rows`` is true."""
    column = rule_id.rpartition(".")[2]
    arguments = {"column": column, "value_set": [0]}
    rule = Rule(rule_id, "ExpectColumnValuesToBeInSet", arguments, HOLDS_SCOPE, message, f"{column} = 1")
    return rule, bad_rows


def _state_rules(minimums: Mapping[str, EvidenceMinimum]) -> tuple[tuple[Rule, str], ...]:
    """What no row of gold.mastery_state is, beyond its contract; ``minimums``: by version what policies ask of mastery.

    Who is mastered has what the policy asked that was in force when that was said, which the row names, whatever the
    file says by now; SOME where nights from before policies were on record went by it. A review may fall due under a
    later policy than the one by which the pupil was called mastered: such a row has what at least one of them asks.
    """
    too_little = "case policy_version"
    for version, minimum in sorted(minimums.items()):
        too_little += f" when '{version}' then {_is_under(minimum)}"
    too_little += f" else {_is_under(SOME)} end"
    every = sorted(set(minimums.values()), key=astuple)
    least = " and ".join(f"({_is_under(minimum)})" for minimum in every)
    return (
        _never(
            f"{STATE}.interval",
            "the expected share lies outside its own interval: fit the model again with 'cairn mastery fit'",
            "share_low > expected_share + 1e-9 or expected_share > share_high + 1e-9",
        ),
        _never(
            f"{STATE}.counts",
            "more right than counted, or more counted than attempted: rebuild the pairs with 'cairn mastery update'",
            "counted_credit > counted_attempts + 1e-9 or counted_attempts > attempts",
        ),
        _never(
            f"{STATE}.evidence",
            "the state asks for more evidence than there is, or for none: rebuild the pairs with"
            " 'cairn mastery update'",
            f"(state = 'mastered' and {too_little}) or (state = 'review_due' and {least})"
            " or (state = 'not_started' and counted_attempts > 0)",
        ),
    )


def _is_under(minimum: EvidenceMinimum) -> str:
    """SQL: whether a row has less evidence than the minimum."""
    has = (
        ("counted_attempts", minimum.attempts),
        ("counted_days", minimum.days),
        ("len(counted_items)", minimum.items),
    )
    return " or ".join(f"{column} < {least}" for column, least in has)


def check(engine: Engine, settings: Settings, data_date: date) -> list[Finding]:
    """Every rule of the gate on the rows that the night of ``data_date`` wrote; the audit on some of all that stand."""
    last = night_record.newest(settings)
    versions = last.versions if last else {}
    schools = _schools(settings)
    found: list[Finding] = []
    for name in (STATE, DECISION):
        found += _contract(engine, settings, name, versions.get(name), data_date, schools)
    if last is not None and all(one.is_passed or one.severity != STRUCTURAL for one in found):
        found += _audit(engine, settings, last, schools)
    return found


def _schools(settings: Settings) -> pa.Table:
    """The school of each pupil, as known now, by which a bad row is held back."""
    people = lake.read(settings, "silver.person", ["student_key", "school_id"], pc.field("recorded_to").is_null())
    return people.group_by("student_key").aggregate([("school_id", "max")]).rename_columns(["student_key", "school_id"])


def _contract(
    engine: Engine, settings: Settings, name: str, version: int | None, data_date: date, schools: pa.Table
) -> list[Finding]:
    contract = load_contract(name)
    rule = suites.columns_rule(contract)
    present = lake.actual_columns(settings, name)
    if not present:
        message = f"{name} is not there: run 'cairn mastery update'"
        return [Finding(rule.rule_id, name, STRUCTURAL, False, message, rows_failed=None)]
    has_columns = engine.verdicts(f"{name} columns", [rule], pd.DataFrame(columns=present))[rule.rule_id]
    found = [Finding(rule.rule_id, name, rule.severity, has_columns, rule.message)]
    if not has_columns:
        return found
    # A pupil is not an event: rows of states are named by their pair, those of decisions by the decision.
    named = "pair_key" if name == STATE else "decision_id"
    of_night = pc.field("data_date") == data_date
    rows = frames.load(settings, name, contract.column_names, named, of_night, version=version)
    extra = _state_rules(policies.minimums(settings, load_config(settings))) if name == STATE else ()
    rules = [*suites.row_rules(contract), *(one for one, _ in extra)]
    standing = NEWEST if name == STATE else "select * from source"
    frame = Frame(settings, name, rows.rows, named, rows.source, _marked(standing, extra), {"schools": schools})
    return found + engine.check(frame, rules, SCOPE)


# Of several changes of a pair on one data date (a night run again) the newest; none where it is a removal.
NEWEST = (
    "select * from (select * from source qualify night = max(night) over (partition by pair_key)) as newest "
    "where not is_removed"
)


def _audit(engine: Engine, settings: Settings, last: night_record.NightRecord, schools: pa.Table) -> list[Finding]:
    """Some of the pairs that stand against their days and their evidence, whichever night wrote them."""
    audited = audit(settings, last)
    rule, bad = _never(
        f"{STATE}.audit",
        "the state does not follow from the pair's days or has more counted attempts than evidence:"
        " rebuild the pairs with 'cairn mastery update'",
        "not fits",
    )
    query = _marked("select * from source", ((rule, bad),))
    frame = Frame(settings, STATE, audited.num_rows, "pair_key", audited, query, {"schools": schools})
    return engine.check(frame, [rule], SCOPE)


def _marked(rows: str, marks: tuple[tuple[Rule, str], ...]) -> str:
    """SQL: the rows of a query with their school and one 0/1 column a hand-written rule."""
    columns = "".join(f", cast(coalesce({bad}, false) as integer) as {rule.arguments['column']}" for rule, bad in marks)
    return f"select checked.*, school_id{columns} from ({rows}) as checked left join schools using (student_key)"
