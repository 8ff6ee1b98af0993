"""A file of guardrails' values: a line for each guardrail and school."""

from __future__ import annotations

from pathlib import Path

from cairn.errors import CairnError
from cairn.rostering.tabular import Row, Table, read_table_file
from pilots.guardrails import Finding, SchoolValue, measure, of_plan
from pilots.known import nearest
from pilots.plan import Plan
from pilots.school_table import need_readable, number_of

COLUMNS = ("guardrail", "school_id", "value", "people", "before")


def findings_of(path: Path, plan: Plan) -> list[Finding]:
    """A finding for each guardrail of the plan, in its order; one without lines in the file is not measured.

    Columns: guardrail (its name in the plan), school_id, value and people (how many it is the mean of); before, where
    it is known, is the school's value before the start. Raises CairnError with file, line and column for a guardrail or
    school that the plan does not name, and for what is no number.
    """
    table = read_table_file(path, COLUMNS)
    need_readable(table)
    table.require(COLUMNS[:-1])
    planned = of_plan(plan)
    if not planned:
        raise CairnError(f"the plan of {plan.pilot_id!r} names no guardrails: there is nothing to measure")
    values: dict[str, list[SchoolValue]] = {one.name: [] for one in planned}
    for row in table.rows:
        name = _named(table, row, "guardrail", list(values))
        school = _named(table, row, "school_id", list(plan.arms))
        values[name].append(
            SchoolValue(
                school_id=school,
                is_treated=plan.arms[school] == "treatment",
                value=number_of(table, row, "value"),
                people=int(number_of(table, row, "people")),
                before=number_of(table, row, "before") if row.get("before") else None,
            )
        )
    return [measure(one, values[one.name]) for one in planned]


def _named(table: Table, row: Row, column: str, known: list[str]) -> str:
    given = row.get(column)
    if given not in known:
        hint = nearest(given, known, f"it names {', '.join(known)}")
        raise CairnError(f"{table.name}:{row.line}: the plan has no {column} {given!r}; {hint}")
    return given
