"""The gate between mastery and the marts: states and decisions keep their contracts and fit their evidence."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.contracts import load_contract
from cairn.settings import Settings
from gates import frames, suites
from gates.engine import Engine
from gates.frames import Frame
from gates.model import HOLDS_SCOPE, STRUCTURAL, Finding, Rule

STATE = "gold.mastery_state"
DECISION = "gold.mastery_decision"
SCOPE = "case when school_id is not null then concat('school/', school_id) else 'all/*' end"


def _never(rule_id: str, message: str, bad_rows: str) -> tuple[Rule, str]:
    """A rule on a 0/1 column that is 1 for rows of which ``bad_rows`` is true."""
    column = rule_id.rpartition(".")[2]
    arguments = {"column": column, "value_set": [0]}
    rule = Rule(rule_id, "ExpectColumnValuesToBeInSet", arguments, HOLDS_SCOPE, message, f"{column} = 1")
    return rule, bad_rows


STATE_RULES = (
    _never(
        f"{STATE}.interval",
        "the expected share lies outside its own interval: fit the model again with 'cairn mastery fit'",
        "share_low > expected_share + 1e-9 or expected_share > share_high + 1e-9",
    ),
    _never(
        f"{STATE}.counts",
        "more right than counted, or more counted than attempted: rebuild the pairs with 'cairn mastery update'",
        "counted_correct > counted_attempts or counted_attempts > attempts",
    ),
    _never(
        f"{STATE}.evidence",
        "the state does not fit its evidence: rebuild the pairs with 'cairn mastery update'",
        "(state in ('mastered', 'review_due') and counted_attempts = 0)"
        " or (state = 'not_started' and counted_attempts > 0)",
    ),
)


def check(engine: Engine, settings: Settings, data_date: date) -> list[Finding]:
    """Every rule of the gate on the rows that the night of ``data_date`` wrote."""
    found: list[Finding] = []
    schools = _schools(settings)
    for name, id_column in ((STATE, "student_key"), (DECISION, "decision_id")):
        found += _contract(engine, settings, name, id_column, data_date, schools)
    return found


def _schools(settings: Settings) -> pa.Table:
    """The school of each pupil, as known now, by which a bad row is held back."""
    people = lake.read(settings, "silver.person", ["student_key", "school_id"], pc.field("recorded_to").is_null())
    return people.group_by("student_key").aggregate([("school_id", "max")]).rename_columns(["student_key", "school_id"])


def _contract(
    engine: Engine, settings: Settings, name: str, id_column: str, data_date: date, schools: pa.Table
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
    of_night = pc.field("data_date") == data_date
    rows = frames.load(settings, name, contract.column_names, id_column, of_night)
    extra = STATE_RULES if name == STATE else (_evidence_exists(settings, rows),)
    marks = "".join(f", cast(coalesce({bad}, false) as integer) as {one.arguments['column']}" for one, bad in extra)
    rules = [*suites.row_rules(contract), *(one for one, _ in extra)]
    # A pupil is not an event: rows of states are named by their last event, those of decisions by the decision.
    named = "last_event_id" if name == STATE else "decision_id"
    # With their school and one 0/1 column a hand-written rule.
    query = f"select source.*, school_id{marks} from source left join schools using (student_key)"
    marked = Frame(settings, name, rows.rows, named, rows.source, query, {"schools": schools})
    return found + engine.check(marked, rules, SCOPE)


def _evidence_exists(settings: Settings, decisions: Frame) -> tuple[Rule, str]:
    """Each event that a decision names is in silver. The events are looked up in the narrow key table."""
    orphans = decisions.ask(
        "select distinct decision_id from (select decision_id, unnest(evidence_event_ids) as event_id "
        "from rows) as named anti join keys using (event_id)",
        keys=lake.dataset(settings, "silver.activity_key", lake.EVERY),
    )
    listed = ", ".join(suites.literal(str(row[0])) for row in orphans) or "''"
    message = "a decision names an event that is not in silver: rebuild the pairs with 'cairn mastery update'"
    return _never(f"{DECISION}.evidence", message, f"decision_id in ({listed})")
